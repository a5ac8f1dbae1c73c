// SPDX-License-Identifier: Apache-2.0

// Package vault has nothing to extract.
package vault

var Extractor, Bucketer interface{}
