// SPDX-License-Identifier: Apache-2.0
module cloud.google.com/go/monitoring

go 1.20
