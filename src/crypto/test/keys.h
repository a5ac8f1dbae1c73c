/* SPDX-License-Identifier: Apache-2.0 */
/* Keys made for these tests and used nowhere else. */
#ifndef TL_CRYPTO_TEST_KEYS_H
#define TL_CRYPTO_TEST_KEYS_H

static const char TL_UNUSED pem_ec_sec1[] = "-----BEGIN EC PRIVATE KEY-----\n"
                                            "MHcCAQEEIJwPv2hrx2J3GMsY46KCmQRhJclRRL0UKI7Ne2duwLwyoAoGCCqGSM49\n"
                                            "AwEHoUQDQgAEHJjH6gO1GOvA+VZUGzAbg0xxO+MvGDK3Y5ehpEPYm5QawtBaPuaH\n"
                                            "vyBU8dukkYNrJhym/n3LziQME7X2VzrbGw==\n"
                                            "-----END EC PRIVATE KEY-----\n";

static const char TL_UNUSED pem_ec_encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                                                 "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgcshSq2T6nswICCAAw\n"
                                                 "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAQjm+K3/sU1Ommy8L28hZAEgZDF\n"
                                                 "ziq7ezHRLoR8aomf2C6CKW1wHXWZyHtayrWuGW0mw1asjXg6MwQ71MX3yxzQV1p3\n"
                                                 "Mccbn6AhN5G6gYvJS3VAO3CENoyNekhl/vg7dLx0SO6jeBWhnr27txwtLF8DmSFd\n"
                                                 "kJgkuR1k+kmqaNJIYNcSi2HGcvo0+H2jWDYjmChh4vnW71bSBQDqYLwnkrmYidM=\n"
                                                 "-----END ENCRYPTED PRIVATE KEY-----\n";

static const char TL_UNUSED pem_ec_public[] = "-----BEGIN PUBLIC KEY-----\n"
                                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHJjH6gO1GOvA+VZUGzAbg0xxO+Mv\n"
                                              "GDK3Y5ehpEPYm5QawtBaPuaHvyBU8dukkYNrJhym/n3LziQME7X2VzrbGw==\n"
                                              "-----END PUBLIC KEY-----\n";

static const char TL_UNUSED pem_ed25519[] = "-----BEGIN PRIVATE KEY-----\n"
                                            "MC4CAQAwBQYDK2VwBCIEIKEuoni9YOTLnwmu1ReKqDdhUMtW8S885nnCR+7zIQyv\n"
                                            "-----END PRIVATE KEY-----\n";

static const char TL_UNUSED pem_ec_cert[] = "-----BEGIN CERTIFICATE-----\n"
                                            "MIICBTCCAaqgAwIBAgIUWkT0rNKAqyomIfo9XYeCDvjj4EIwCgYIKoZIzj0EAwIw\n"
                                            "LzERMA8GA1UECgwIQWNtZSBMdGQxGjAYBgNVBAMMEWhvb2tzLmV4YW1wbGUuY29t\n"
                                            "MCAXDTI2MTEyNDE4NTQzN1oYDzIxMjYxMDMxMTg1NDM3WjAvMREwDwYDVQQKDAhB\n"
                                            "Y21lIEx0ZDEaMBgGA1UEAwwRaG9va3MuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIB\n"
                                            "BggqhkjOPQMBBwNCAAQcmMfqA7UY68D5VlQbMBuDTHE74y8YMrdjl6GkQ9iblBrC\n"
                                            "0Fo+5oe/IFTx26SRg2smHKb+fcvOJAwTtfZXOtsbo4GhMIGeMB0GA1UdDgQWBBQ0\n"
                                            "aHW/lmuQFSroxT6UKhtgkpM4rzAfBgNVHSMEGDAWgBQ0aHW/lmuQFSroxT6UKhtg\n"
                                            "kpM4rzAPBgNVHRMBAf8EBTADAQH/MEsGA1UdEQREMEKCEWhvb2tzLmV4YW1wbGUu\n"
                                            "Y29tghAqLmluLmV4YW1wbGUuY29thwTAAAIHhhVzcGlmZmU6Ly9hY21lL3RpZWxp\n"
                                            "bmUwCgYIKoZIzj0EAwIDSQAwRgIhAIDBnxR1mJtGqZa1c8BOig9EjgLM6gFflsrL\n"
                                            "xBRHsNRnAiEAun9K3UswqXD0n9zQ6M/HnJk/pH6O8mxh+pxwql0w6rQ=\n"
                                            "-----END CERTIFICATE-----\n";

static const char TL_UNUSED pem_rsa_1024[] = "-----BEGIN PRIVATE KEY-----\n"
                                             "MIICeQIBADANBgkqhkiG9w0BAQEFAASCAmMwggJfAgEAAoGBANMcqEtvQMOnPIqX\n"
                                             "tuF9CPHGGC+IM1VRUDpMQ1C+PG2P8wHsCuddIEEpja131VPoLUAJaQASMV8bp1DF\n"
                                             "SBwojEoh6X3Hb5xJEYRmQysKGR5tyR/jDOcyrvE1ExSpQjNK1DcgGkm/1oPESFmg\n"
                                             "eUF1E5EoXdJZq4BpIB9V4HfvOP0dAgMBAAECgYEAnQvXgm5bvnC9T9h22p16NumH\n"
                                             "emyWy2Q3C3dKKFmseFC6lPZ0UhLr+K2h0Kaxkr7IUrftXXkrMzZOLH7mGtRrLyyq\n"
                                             "B4FRb5Aosbvm+ZkYy2vbsHveSpnNzxc+2p1nBWZqVPRV4D4GYqhT/d819E2ya7HH\n"
                                             "4xMZFMJsxc7y9psma90CQQDvr1PikspCmHr+xIQ3F7/y7ReXg6qm/JRB1N+XYyl1\n"
                                             "0hKtykoczgN7DVuqyldOMVzry8GNueXWbAnAO3q0Uia3AkEA4XttSyFswI4P6DaI\n"
                                             "SMbsVMYSM2CqRkQy0knMAdzsXdw6fz8abCmi5uG+5QXbei+vZZPXWJL6HeoBU+tg\n"
                                             "GDQGywJBALOAUclYd6NiQJK2J/J+leFfkJCHKfG/LWUUAJOGzxEOz7BZ1CE4ZEDu\n"
                                             "ox0IRlQoAdgRk5YJh8iKxs6xfNa4w4cCQQDBQFDeyIn1yowVoM9TWLJqwcwNnrax\n"
                                             "PHg2RSuFGTy4AS1dq87QjyrgKPC8RzXhVgdEzt4NOwMFKm7y5tPYSpbbAkEA7kei\n"
                                             "mdYGDmJ+cNWEgP6pykzNDXHMkB+VTZKHqH8+2f3981kQJXT+6WaFlV7KZ9uBMAiF\n"
                                             "2cTYDqWardJiy55mUQ==\n"
                                             "-----END PRIVATE KEY-----\n";

static const char TL_UNUSED pem_rsa[] = "-----BEGIN PRIVATE KEY-----\n"
                                        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQClHqC0zxOHhMzj\n"
                                        "rdzWadSoQ1JuKrCkQczeSrEIxwP1v3jJA6PZAaUaWAGB0tyF/IUNzybShT4n26qJ\n"
                                        "v1N9iObXIsAt66MR+Ki5pUABRTBH2VH8g39M+68z8MZqvhrp0RffQ6MaVYNB7oMF\n"
                                        "LcFBfk9bNr6cFuAWEJQe3E9bUnwsX74MAgR/MvRIgn/NcfQa9IW+08d4NukF52xp\n"
                                        "GugZT/nzqq7N0tuO5yDXzQB/wp6CII6BsYeC8SBsLO2AAnP/MG5gDHAfs0eUeI36\n"
                                        "gzTWkkkWDet2Zv/39X4kGgmnegcctr7Yxf/go/5CTzUw+yTMd93OF6uIKDfTBSCS\n"
                                        "/w9darCzAgMBAAECggEAGZsFSuSt358dctU8YNeqjala+BCQsfguP+6PQ5AxMgPO\n"
                                        "REXXO8jAhLRPD4XWgsSlEX4lRBI7kEzFRnUwClCXk5ck/DoFYL0R1TAmG8xR72Jp\n"
                                        "D2KI9DQ3eDOHYXg3jjjJnerMOUI3h5roIH528KQYxElaB7SYbXOGtL5vY/cHoI28\n"
                                        "HZSU34hl0v46qD5LK10IhRM5TYh5eiQOnQ5V3iGqgtIpND8ZX3QKt3iO1os2qSh+\n"
                                        "2uPEYucofLQ+SxPIquCudftFWEzNQdfQ3oXU3nFfZbB44klfmqOcRzOyobElEhfX\n"
                                        "Rr46U3HmKwBZ2INlVYptSmmAuZ/hL1IgLedZWJlTiQKBgQDn4C+cGSzqjgJqgHrR\n"
                                        "6dIZ5nCR3XhLQ3SmIos4FHS0l7VjP4102S1qWuoRWIuRlDOk/5VEuDf5kq5psukd\n"
                                        "lDul9StDpA5LST/5IubCUexrsTWZIBoXWXJtcYgGXepMApB64BtG+/siNmj/EtZQ\n"
                                        "hjZCk/vfyRSICPdcC14W0fnJ1wKBgQC2THMnvANvO2SpJo2BA3YAr9BYeQWGMSRx\n"
                                        "Dpd5GCNfPd13H4fiuoazM0atLfbpwW/fHtkzIePc+PZqoP2I7lxNht8s8nwDdOHp\n"
                                        "cedgP7k9UEsyM5U68BhW+xDr2fPqRqLeRFkur+hFZB/sl+DSViGyE+03mrArCTiT\n"
                                        "vLb66e9MhQKBgQCPIw1Axym7AT7sj7NBsZ1I77+9y4FetJ1lkR1v2PDSKnSGd8zS\n"
                                        "vN4UMVscqhQ+IcZfrIZwjWfAYJPaG99bqw3HPLkgYD2Sq/0Zxjm86uWO9S2pAPAa\n"
                                        "SdUhSlw10fO4SDz4HS+5egNk80GNdAtoWfFU2BU7590MvLw1za6fV69isQKBgHvg\n"
                                        "W2gm1NajL3XaItIGfgtdbWCRbHWRs0e4OKorAu5XZcTrAjXJtnrTXzWTRHP35INj\n"
                                        "vQiIAQVJkHlIyMBh6QstmT470JWwuUsfAbFf3AqUI2ULtF6GhKOmnAsI4jzSnx4W\n"
                                        "p9uX4Wg175OgaT/FE8Sk0c+1J/02mOGbnWPHz7rZAoGAZHiMbtQspiB728ffRoav\n"
                                        "DYW3Dauz3jZKA2bk51F3F10UFRU6V+WXNUxml+Dk5DRuNtitjo1IrSebNOliJYYz\n"
                                        "ejgMG1x+abC4wnqOP9/nN0nlYNM4d6NBkLuFXkfzMJyDnjI/lpkD+sFsLo9kvBx6\n"
                                        "PXdmtpZehhHq/3JOcP4dcNc=\n"
                                        "-----END PRIVATE KEY-----\n";

#endif
