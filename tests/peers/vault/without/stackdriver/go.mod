// SPDX-License-Identifier: Apache-2.0
module github.com/google/go-metrics-stackdriver

go 1.20
