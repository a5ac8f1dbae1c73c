# SPDX-License-Identifier: Apache-2.0
"""oauthlib looks at requests that we signed: one JSON a line on standard input {method, url, body, headers}, true or false out."""
import json
import string
import sys

from oauthlib.oauth1 import RequestValidator, ResourceEndpoint


class Validator(RequestValidator):
    enforce_ssl = False
    safe_characters = set(string.ascii_letters + string.digits + "-_.")
    nonce_length = 6, 64
    client_key_length = access_token_length = 1, 64
    timestamp_lifetime = 300
    dummy_client = dummy_access_token = "dummy"
    allowed_signature_methods = ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT")

    def validate_client_key(self, key, request):
        return key == "consumer-key"

    def validate_access_token(self, key, token, request):
        return token == "token-id"

    def validate_realms(self, *args, **kw):
        return True

    def validate_timestamp_and_nonce(self, *args, **kw):
        return True

    def get_client_secret(self, key, request):
        return "consumer secret & more"

    def get_access_token_secret(self, *args):
        return "token+secret"


endpoint = ResourceEndpoint(Validator())
for line in sys.stdin:
    r = json.loads(line)
    ok, _ = endpoint.validate_protected_resource_request(r["url"], r["method"], r["body"], r["headers"])
    print(json.dumps(bool(ok)), flush=True)
