// SPDX-License-Identifier: Apache-2.0
// The same figures of simdjson (DOM), for json.sh: megabytes a second of processor time, the best of several rounds.
#include <cstdio>
#include <ctime>
#include <simdjson.h>

static double now() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

template <typename F> static void measure(const char *what, size_t bytes, F fn) {
    size_t rounds = 1 + (2u << 20) / (bytes + 1);
    double best = 1e9;
    for (int i = 0; i < 15; i++) {
        double t = now();
        for (size_t k = 0; k < rounds; k++) fn();
        t = (now() - t) / double(rounds);
        if (t < best) best = t;
    }
    std::printf("  %-14s %8.1f MB/s\n", what, double(bytes) / best / 1e6);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        simdjson::padded_string text = simdjson::padded_string::load(argv[i]);
        simdjson::dom::parser parser;
        simdjson::dom::element value = parser.parse(text);
        size_t written = simdjson::minify(value).size();
        measure("parse simdjson", text.size(), [&] { value = parser.parse(text); });
        measure("write simdjson", written, [&] { written = simdjson::minify(value).size(); });
    }
}
