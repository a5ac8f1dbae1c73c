/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - numbers in English words, cardinal and ordinal. */
#include "jsonata/functions/functions_int.h"

static const char *const small_words[20] = {
    "Zero", "One",    "Two",    "Three",    "Four",     "Five",    "Six",     "Seven",     "Eight",    "Nine",
    "Ten",  "Eleven", "Twelve", "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen"};
static const char *const small_ordinals[20] = {"Zeroth",    "First",     "Second",      "Third",      "Fourth",
                                               "Fifth",     "Sixth",     "Seventh",     "Eighth",     "Ninth",
                                               "Tenth",     "Eleventh",  "Twelfth",     "Thirteenth", "Fourteenth",
                                               "Fifteenth", "Sixteenth", "Seventeenth", "Eighteenth", "Nineteenth"};
/* Without the final letters that differ: "y" and "ieth". */
static const char *const tens_stems[8] = {"Twent", "Thirt", "Fort", "Fift", "Sixt", "Sevent", "Eight", "Ninet"};
static const struct {
    double value;
    const char *word;
} magnitudes[4] = {{1e3, "Thousand"}, {1e6, "Million"}, {1e9, "Billion"}, {1e12, "Trillion"}};

static void put(struct jsonata_out *o, const char *word)
{
    jsonata_out_ascii(o, word, strlen(word));
}

static void put_below_hundred(struct jsonata_out *o, int value, bool ordinal)
{
    if (value < 20) {
        put(o, ordinal ? small_ordinals[value] : small_words[value]);
        return;
    }
    put(o, tens_stems[value / 10 - 2]);
    if (value % 10) {
        put(o, "y-");
        put_below_hundred(o, value % 10, ordinal);
    } else {
        put(o, ordinal ? "ieth" : "y");
    }
}

/* `joined`: something stands before it, so "and" or a comma comes first. */
static void put_number(struct jsonata_out *o, double value, bool joined, bool ordinal)
{
    if (value < 100) {
        put(o, joined ? " and " : "");
        put_below_hundred(o, (int)value, ordinal);
        return;
    }
    double unit = 100;
    const char *word = "Hundred";

    for (size_t i = 0; i < 4 && value >= magnitudes[i].value; i++) {
        unit = magnitudes[i].value;
        word = magnitudes[i].word;
    }
    double count = floor(value / unit), rest = value - count * unit;

    put(o, joined ? ", " : "");
    put_number(o, count, false, false);
    put(o, " ");
    put(o, word);
    if (rest > 0)
        put_number(o, rest, true, ordinal);
    else if (ordinal)
        put(o, "th");
}

void jsonata_words_format(struct jsonata_out *o, double value, bool ordinal)
{
    if (isfinite(value)) /* at most 26 nested trillions */
        put_number(o, value, false, ordinal);
    else
        put(o, "NaN");
}

/* ---- reading ---- */

static size_t word_prefix(struct tl_sv text, const char *word) /* its length when text begins with it, case ignored */
{
    size_t n = strlen(word);

    return n <= text.n && tl_sv_eqi(tl_sv(text.p, n), tl_sv(word, n)) ? n : 0;
}

static size_t stem_prefix(struct tl_sv text, const char *stem, const char *ending)
{
    size_t n = word_prefix(text, stem);
    size_t m = n ? word_prefix(tl_sv_from(text, n), ending) : 0;

    return m ? n + m : 0;
}

/* Call visit() with every vocabulary word at the head of the text. */
static void each_word(struct tl_sv text, void (*visit)(void *arg, size_t n, double value), void *arg)
{
    size_t n;

    for (int i = 0; i < 20; i++) {
        if ((n = word_prefix(text, small_words[i])))
            visit(arg, n, i);
        if ((n = word_prefix(text, small_ordinals[i])))
            visit(arg, n, i);
    }
    for (int i = 0; i < 8; i++) {
        if ((n = stem_prefix(text, tens_stems[i], "y")) || (n = stem_prefix(text, tens_stems[i], "ieth")))
            visit(arg, n, 20 + 10 * i);
    }
    if ((n = word_prefix(text, "hundred")) || (n = word_prefix(text, "hundredth"))) {
        visit(arg, n, 100);
        if ((n = word_prefix(text, "hundredth")))
            visit(arg, n, 100);
    }
    for (size_t i = 0; i < 4; i++)
        if ((n = word_prefix(text, magnitudes[i].word))) {
            visit(arg, n, magnitudes[i].value);
            if (word_prefix(tl_sv_from(text, n), "th"))
                visit(arg, n + 2, magnitudes[i].value);
        }
}

static void collect_length(void *arg, size_t n, double value)
{
    uint32_t *bits = arg;

    (void)value;
    *bits |= 1u << n;
}

uint32_t jsonata_words_at(struct tl_sv text, size_t at)
{
    struct tl_sv rest = tl_sv_from(text, at);
    uint32_t bits = 0;

    if (rest.n && (rest.p[0] == '-' || rest.p[0] == ',' || rest.p[0] == ' '))
        return 1u << 1;
    each_word(rest, collect_length, &bits);
    if (word_prefix(rest, "and"))
        bits |= 1u << 3;
    return bits;
}

struct whole_word {
    size_t n;
    double value;
};

static void match_whole(void *arg, size_t n, double value)
{
    struct whole_word *w = arg;

    if (n == w->n)
        w->value = value;
}

static double word_value(struct tl_sv word)
{
    struct whole_word w = {word.n, JSONATA_NAN};

    if (word.n)
        each_word(word, match_whole, &w);
    return w.value;
}

static size_t space_at(struct tl_sv text, size_t at)
{
    uint32_t cp;
    size_t n = at < text.n ? jsonata_cp_at(text, at, &cp) : 0;

    return n && jsonata_is_space(cp) ? n : 0;
}

/* Length of what separates two words here: ", ", " and ", a space, a hyphen, a backslash; 0: nothing. */
static size_t gap_at(struct tl_sv text, size_t at)
{
    size_t space = space_at(text, at);

    if (text.p[at] == ',' && space_at(text, at + 1))
        return 1 + space_at(text, at + 1);
    if (space && word_prefix(tl_sv_from(text, at + space), "and") && space_at(text, at + space + 3))
        return space + 3 + space_at(text, at + space + 3);
    if (space)
        return space;
    return text.p[at] == '-' || text.p[at] == '\\' ? 1 : 0;
}

double jsonata_words_parse(struct tl_sv text)
{
    double sum = 0, part = 0; /* part: the segment that still grows; sum: those before it */
    size_t begin = 0;

    for (size_t at = 0;;) {
        size_t gap = at < text.n ? gap_at(text, at) : 0;

        if (at < text.n && !gap) {
            at++;
            continue;
        }
        double value = word_value(tl_sv(text.p + begin, at - begin));

        if (value < 100) {
            if (part >= 1000) {
                sum += part;
                part = 0;
            }
            part += value;
        } else {
            part *= value;
        }
        if (at >= text.n)
            return sum + part;
        at += gap;
        begin = at;
    }
}
