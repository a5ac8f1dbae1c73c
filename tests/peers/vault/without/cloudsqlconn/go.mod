// SPDX-License-Identifier: Apache-2.0
module cloud.google.com/go/cloudsqlconn

go 1.20
