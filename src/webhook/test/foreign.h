/* SPDX-License-Identifier: Apache-2.0 */
/* Signed texts for the proofs by keys of others: made with OpenSSL and a key pair of ours that belongs to nobody's
 * service; those of SNS and the token were accepted by npm sns-validator and jose. */
#ifndef TL_WEBHOOK_TEST_FOREIGN_H
#define TL_WEBHOOK_TEST_FOREIGN_H

static const char test_cert[] = "-----BEGIN CERTIFICATE-----\n"
                                "MIIDgzCCAmugAwIBAgIUNr+N7Odu5qTsW81OMFFYiTqgGfQwDQYJKoZIhvcNAQEL\n"
                                "BQAwUDEkMCIGA1UEAwwbd2ViaG9vay10ZXN0LXZlY3Rvci5pbnZhbGlkMSgwJgYD\n"
                                "VQQKDB9URVNUIE9OTFkgLSBOT1QgQSBSRUFMIFBST1ZJREVSMCAXDTI2MTEyMzEy\n"
                                "MzAwNFoYDzIxMjYxMDMwMTIzMDA0WjBQMSQwIgYDVQQDDBt3ZWJob29rLXRlc3Qt\n"
                                "dmVjdG9yLmludmFsaWQxKDAmBgNVBAoMH1RFU1QgT05MWSAtIE5PVCBBIFJFQUwg\n"
                                "UFJPVklERVIwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCaECa0NX1P\n"
                                "v2qALIKeANLj2LzC8yUmXcEIGzhTcbmsssHPubTq2VPBeFkFiLoK0C5DmVaF4w6V\n"
                                "CrIgpZ6KANsIwRTUSJXPa6TgnIS92T9tkKxt/L5hGW/vj9DKnG8En0JU6V39EuK1\n"
                                "JeV7dV4KtltLjtHslkZ5wZf5QDwVpxr2Umwl+0rnqchrYXNMVwi/pAcx2klUVPJb\n"
                                "JvOxJMPcPUPcFlbaJBorWn9mWRdlm8JiLFYEvT/2ZMEDCw6M/j1hhmaCO/rv1FAw\n"
                                "GELyCmT53SFrcfKJp9PkFfee1DXfGJPB46mpymGCzjQKX2tPu6zLb/W6lxUSv68/\n"
                                "4GwSXOcXaTu9AgMBAAGjUzBRMB0GA1UdDgQWBBQA6VlgADN5r3x/c0Uhik9Jcm5J\n"
                                "XTAfBgNVHSMEGDAWgBQA6VlgADN5r3x/c0Uhik9Jcm5JXTAPBgNVHRMBAf8EBTAD\n"
                                "AQH/MA0GCSqGSIb3DQEBCwUAA4IBAQCNEBdCPbb7XfYCs/Z9qeOVmseeUoyDDjnU\n"
                                "KbhBAJCo0bcPHsKNmKcMwZaLin8Ls53NF3UaAzEExPVEyJhAMJOLb6Z4oy8Mejkp\n"
                                "yL1POWGsQ8aMW+q7mzoPvREE77Oxo8drgAM6cWVsK53mZm9PuBsWnlQUw9VzvZBg\n"
                                "KGpud/AXVdGU35BkLKNKKQ7fNv9ZGbqWrcgvGUxQkAyIqDj0+mMdWfeTcT/+8EcT\n"
                                "lk9pAzgeK9h3PKvzCvNDPfLtTkWhiBa25VECJ4eT5JkaqBr8ov/AbEKE4LfRm6cc\n"
                                "Hy8D5hRYIm0NZ3WWZhz2ZPEH9GdOCRBeZbzosCI2SEIHDHFtFkXx\n"
                                "-----END CERTIFICATE-----\n";
static const char test_jwks[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"mhAmtDV9T79qgCyCngDS49i8wvMlJl3BCBs4U3G5rLLBz7m06tlTwXhZBYi6"
    "CtAuQ5lWheMOlQqyIKWeigDbCMEU1EiVz2uk4JyEvdk_bZCsbfy-YRlv74_QypxvBJ9CVOld_RLitSXle3VeCrZbS47R7JZG"
    "ecGX-UA8Faca9lJsJftK56nIa2FzTFcIv6QHMdpJVFTyWybzsSTD3D1D3BZW2iQaK1p_ZlkXZZvCYixWBL0_9mTBAwsOjP49"
    "YYZmgjv679RQMBhC8gpk-d0ha3HyiafT5BX3ntQ13xiTweOpqcphgs40Cl9rT7usy2_1upcVEr-vP-BsElznF2k7vQ\",\"e"
    "\":\"AQAB\",\"kid\":\"test-key-1\",\"alg\":\"RS256\",\"use\":\"sig\"}]}";
static const char google_token[] =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InRlc3Qta2V5LTEiLCJ0eXAiOiJKV1QifQ.eyJhdWQiOiJodHRwczovL2hvb2tzLmV4Y"
    "W1wbGUuY29tL2luL3B1YnN1YiIsImF6cCI6IjExMzc3NDI2NDQ2MzAzODMyMTk2NCIsImVtYWlsIjoicHVzaC1zYUBleGFtc"
    "GxlLXByb2plY3QuaWFtLmdzZXJ2aWNlYWNjb3VudC5jb20iLCJzdWIiOiIxMTM3NzQyNjQ0NjMwMzgzMjE5NjQiLCJlbWFpb"
    "F92ZXJpZmllZCI6dHJ1ZSwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3MDAwMDAwMDAsImlzcyI6Imh0dHBzOi8vYWNjb3Vud"
    "HMuZ29vZ2xlLmNvbSJ9.ASJ8PG1gUcWjAHethXPCtge_gpFfBOR5Y_qlc4amiRDM92UtueG5b9WUMITqirhwQrFCoRogN5fx"
    "yuzsfYmSaXIKAe5_wDezPmAqsxmidr4K6JxpR7LJofozEPYRL3nCPSr5kE_eOEEKeXvOE7LKwAo7UNTrxJDXK_SRLTSbffY_"
    "tPhRx09YYdN7mXv4gfr6RH561Gnl-GDLPU1e144X20Ro6rKkYP4bfXYJb8DHsYnsg6gBiVuwQ-vZER_MmcVmdHo0KH4Z29YN"
    "pQKqKX1zXKW81iQQWIBP0YCEGkKKXLzKglik80qkZ0DcQO7a_7LQBvzU2nbDblf-QpJgIiAHFw";
static const char paypal_sig[] =
    "A5RJ0N8D/auw69N/JMwKB6y1IR2MPZSzf28emTCUVjTzUp/bP/D4O4mhzPn+gHPoIByYrt8TsN5YEtBDDjW9xh1ljIgDyZkc"
    "MN9kWEbvuQTJ9dkaCBo6Br7bY4GiKPuE6kMaFlCyUU0oD1jqt1SH6Y2u8AOAMOCCNLNFz+lCTNJP6beeF+/mbRIT5T/vSo/D"
    "w9rArIIInY8BApamg7ZEeff8C7mANexBdh3EaWe1dCsjLSBg1nIwH2Dz4IphekMkErk5O+i7YA6OxNTn+rHwQ4ZMZDQaNra1"
    "CC1HsnDbihGZrm8QcIuurSQqBe3VJt94Gi+89hELi7P0kz3A22+IDA==";
static const char sns_sig_1[] =
    "axRhT78p4QdKNUo4hOODRx0DyAshgO7QM84AdmLzUHD6W1OSgE4gWn+NdmrhsqLjgXNwbQ6StbDtdPGTsD8jsWHKvgYISbu4"
    "6ayO/SwIQZsHAz5uZssAXw1wVs4+n5n8NDo94i3qoTwgiQJ5Q7az7Ep37hFVO07G29lklnzk0VaOdATJEOGcfZTAGO1DWhTg"
    "2QFACcmE5jCT5L8BMjqB1CKVM+xaJUD6/r2jL+5oglKI4SUxoSyzp0hMV6jdVMU5+M6sT/9qCBmL2O2eYjWUW5qmGNHNKKCp"
    "HmOGhXLNh2Z1L5JIU89uxh3+m39nwMSAVnTWC3VAUokPtao2I8c1bg==";
static const char sns_sig_2[] =
    "B4y0xpxbo4OoSVMIY86wz2RxytgJbsqOLhLlWKqqyLJ3u0zyVEp5lGr14qWUUpnCz2xVf90pqw6p4Atc/JaHZYphgfa1ea7g"
    "w6t5lbNA+SmBsqc7t5V7yVzFOJaBFY5SfZ38CDTK+uoFff11vwMSBfV1mYW3hw0TtzJ4lmzdxXrzJZIIU2FsfwfRqM5BngHI"
    "+e2LXmapqRP9kx1gSt+GaEMKYxEV9e8m4k0ZcpYk3Wa8IbXEzhivv4/W45pRtzzUu7/AdHB9T6eOVoEwa+ueqllUCVwHBbGX"
    "va2zsq9RM448cgST3wrfHWWo5n0nhazUcJQlIYXjADxi9zd44gduig==";
static const char sns_sig_3[] =
    "DudmLbaNf56zl2GRMDN6ExGFHvM2kzLOiXJ8inbbS8asJUpujVgyd9E49vRYaoHDNXZ5QvZSrzuUh6KNo2IFkuaNzoZseM3R"
    "tIS2uiJfnONJ9oR27b/e8B58REXOEFVsvUJI31Llxdfrfzj2XhNqHvvqPjB5ZLu2iRZvorkdIAcAAWSQl75uxj8xz9cF0Tz/"
    "v1qu/4R9uvtviXG/C/ygPYdcDR19PlMD2C0yGeEo5aOtJDOFi5eh6+m1HtpJWTwgDclcXXyiRtcNWj2AHFMMJsPkPN8dKUXG"
    "1LbDiAvBadTVKU1zzOsi0VHGuu0jeeVBV9FZq6+QaN73tjJQMrSRZA==";
static const char sns_sig_4[] =
    "dJjyMmWJ2eSEX/QUO8yWmC/1ua89JPvub9xanhskNrn6Fq8PvWJIPmGIJsfDFg+CVb4AWA46XbS+OaxZ/UoUV6/jZzs+HfQi"
    "vSCpvOZYdf/s+FwvmR074D68C83zY8TY2UI3lSdjmxzmCwHBrajcTz7BB5QMsCpF4SHiLvvJOO2TPX4wmdJmyAqsUlcSIRPt"
    "GWqC4FBwdvDrAC5T7K4oHWrEl4y90hZUyhrz902/01s5m3gt0JDvPNekuSBoBMNNT0BGpCxYwn5PPqxBteJM5D+EEbFQ4MxP"
    "7LPdLAq7xPzF4+lgz1XhiAhc1oe0GmyYZMhMazEwnP6j6IBq+dzXAQ==";
static const char sns_sig_5[] =
    "PRFGCqi65XEzaDBiKjjRMZ5wE0SeaxukruQFq9C1IltQ0YCKR3dwwzlUsfzT2j+rvto3YQNmIEEN01ObjFduXLDOJJS7UwCp"
    "vIQFMSUaFuvZ0tE/QrGamSvQBWLklfR8tNUpgNoxjaW76vfn9jVf2na6bp6epta1FKGXOHCovwD7Qk56XHDYx8o7ovgFIGzb"
    "PM/DwOU4kwfAPVAJSX6xM+wTvX5O/GvOtN+2b3aPSLar9m3FzzrlpY/KpdGqkjbqV90+n0bKHwXoYBFZi3bTSkvWaLQPOtsv"
    "23xjstzXPZFkG3xcbD8LSud9UMR1uOfoqs2cj7hYYwvp5wlsrLJRSg==";

#endif
