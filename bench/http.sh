#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# http.sh - our HTTP server beside nginx, in one run: POST of 1 KB -> 200 with 20 bytes, 64 kept connections, one thread each.
# Where h2load is (nghttp2-client): the same over HTTP/2, 8 connections with 8 streams each.
# Prints requests a second and the server's CPU microseconds a request (user + system, from /proc), and the ratios.
# Usage: bench/http.sh [build folder, default build/release] [seconds a run, default 4] [rounds, default 3]
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release} seconds=${2:-4} rounds=${3:-3}
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$dir"' EXIT

cat > "$dir/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"data":"' .. string.rep("x", 1013) .. '"}'
LUA
cat > "$dir/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $dir/pid; error_log $dir/error.log;
load_module modules/ngx_http_echo_module.so;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; client_body_buffer_size 16k; client_body_temp_path $dir/body;
  proxy_temp_path $dir/p; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
  server { listen 127.0.0.1:18291; listen 127.0.0.1:18292 http2;
    location /hooks/ { default_type application/json; return 200 '{"status":"queued"}\n'; }
    location /read/ { default_type application/json; echo_read_request_body; echo '{"status":"queued"}'; } } }
CONF
module_dir=/usr/lib/nginx/modules
if [ -f $module_dir/ngx_http_echo_module.so ]; then
  sed -i "s#modules/ngx_http_echo#$module_dir/ngx_http_echo#" "$dir/nginx.conf"
else
  sed -i '/load_module/d; /echo_read/d; s/^    location \/hooks.*$/&} }/' "$dir/nginx.conf"
fi

"$build/bin/http_server_bench" 18290 1 > "$dir/ours.log" & ours=$!; pids+=($ours)
taskset -p -c 0 $ours > /dev/null
nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null & pids+=($!)
sleep 0.5
worker=$(pgrep -P "${pids[1]}" | head -1)
taskset -p -c 0 "$worker" > /dev/null

ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
run() { # name pid url
  local before after out
  before=$(ticks "$2")
  out=$(taskset -c 1 wrk -t1 -c64 -d"${seconds}s" -s "$dir/post.lua" "$3" 2>&1)
  after=$(ticks "$2")
  echo "$out" | awk -v name="$1" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" '
    / requests in / { n = $1 } /Requests\/sec/ { rps = $2 } /Non-2xx/ { print "  " $0 > "/dev/stderr" }
    END { printf "%s %.0f %.2f\n", name, rps, t / hz * 1e6 / n }' | tee -a "$dir/results"
}
printf '{"data":"%s"}' "$(head -c 1013 /dev/zero | tr '\0' x)" > "$dir/body.json"
run_h2() { # name pid url
  local before after out
  before=$(ticks "$2")
  out=$(taskset -c 1 h2load -t1 -c8 -m8 -D"$seconds" --warm-up-time=0 -d "$dir/body.json" -H 'content-type: application/json' "$3" 2>&1)
  after=$(ticks "$2")
  echo "$out" | awk -v name="$1" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" '
    /^finished in/ { rps = $4 } /^requests:/ { n = $8 } /^status codes:/ { if ($3 + 0 != n) print "  " $0 > "/dev/stderr" }
    END { printf "%s %.0f %.2f\n", name, rps, t / hz * 1e6 / n }' | tee -a "$dir/results"
}
for _ in $(seq "$rounds"); do
  run ours "$ours" http://127.0.0.1:18290/hooks/shop
  run nginx "$worker" http://127.0.0.1:18291/hooks/shop
  grep -q echo_read "$dir/nginx.conf" && run nginx-reads-body "$worker" http://127.0.0.1:18291/read/shop
  command -v h2load > /dev/null || continue
  run_h2 h2-ours "$ours" http://127.0.0.1:18290/hooks/shop
  run_h2 h2-nginx "$worker" http://127.0.0.1:18292/hooks/shop
  grep -q echo_read "$dir/nginx.conf" && run_h2 h2-nginx-reads-body "$worker" http://127.0.0.1:18292/read/shop
done
awk '{ n[$1]++; r[$1] += $2; c[$1] += $3 }
  END { for (k in n) { us = k ~ /^h2-/ ? "h2-ours" : "ours"; if (k != us)
        printf "against %s: requests/s x %.2f, CPU us/request x %.2f (%.2f against %.2f)\n", k, (r[us] / n[us]) / (r[k] / n[k]),
        (c[us] / n[us]) / (c[k] / n[k]), c[us] / n[us], c[k] / n[k] } }' "$dir/results"
