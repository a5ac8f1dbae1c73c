// SPDX-License-Identifier: Apache-2.0
module google.golang.org/api

go 1.20
