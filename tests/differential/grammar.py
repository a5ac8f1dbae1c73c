# SPDX-License-Identifier: Apache-2.0
"""Random JSONata expressions and data. Everything comes from one seeded random.Random."""

NAMES = ["a", "b", "c", "items", "name", "price", "qty", "tags", "x"]
WORDS = ["", "a", "abc", "Hello World", "  two  spaces ", "a,b,c", "2024-02-29T10:00:00Z", "12", "-3.50", "0x1F", "true",
         "stra\u00dfe", "\u00e9t\u00e9", "aXbXc", "line\nbreak", "a.b.c", "99 red", "%41%20", "caf%C3%A9", "YWJj"]
NUMBERS = ["0", "1", "2", "3", "-1", "10", "2.5", "-2.5", "0.1", "0.125", "1.005", "1e3", "1e-7", "12345.678", "-0.5",
           "1000000", "3.14159265358979", "100", "7", "1e21"]
REGEXES = ["/a/", "/[a-c]+/", "/(\\w)(\\w*)/", "/\\s+/", "/,/", "/b/i", "/^./m", "/x|o/i", "/(l+)/", "/\\d+/", "/[^a-z]/", "/.$/",
           "/(a)|(b)/"]
INT_PICTURES = ["0", "000", "#,##0", "w", "W", "Ww", "i", "I", "a", "A", "0;o", "w;o", "##0", "#", "\u0660", "0,0", "0'00"]
NUM_PICTURES = ["0", "#.00", "#,##0.00", "0.###", "00.00", "#0%", "0.0e0", "#,##0.00;(#,##0.00)", "000,000.000###", "##", "0.0.0",
                "0#", "#,", "x0y", "0\u2030", "#.#0", ".00", "#0.0,0"]
DATE_PICTURES = ["[Y0001]-[M01]-[D01]", "[D1o] [MNn] [Y]", "[H01]:[m01]:[s01]", "[FNn], [D] [MNn,3-3]", "[h]:[m] [P]", "[X0001]-W[W01]",
                 "[Y]-[d001]", "[M01]/[D01]/[Y0001] [H01]:[m01]", "[w] [x] [FN]", "[YI]", "[Dwo] [MN]", "[Y2]", "[[[Y]]]", "[q]", "[Y",
                 "[Y0001][M01][D01][H01][m01][s01][f001][Z]", "[z]", "[Z0000]", "[Zn]", "[C] [E]", "[Mn,3]", "[Y,2-2]"]
STAMPS = ["2024-02-29", "2018-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2000-12-31T12:30:00+02:00", "2021-07-04T05:06:07-0330",
          "29th February 2024", "10:20:30", "2024", "1 Mar", "not a date", "20240229102030", "4/5/2020 3:04 pm"]


class Grammar:
    def __init__(self, rng):
        self.r = rng

    def pick(self, items):
        return self.r.choice(items)

    # ---- data ----
    def value(self, depth=3):
        kind = self.r.random()
        if depth == 0 or kind < 0.45:
            return self.pick([self.number(), self.pick(WORDS), self.pick(WORDS), True, False, None, self.r.randint(-5, 200)])
        if kind < 0.7:
            return [self.value(depth - 1) for _ in range(self.r.randint(0, 4))]
        return {self.pick(NAMES): self.value(depth - 1) for _ in range(self.r.randint(0, 4))}

    def number(self):
        return self.pick([float(n) if "." in n or "e" in n else int(n) for n in NUMBERS if n != "1e21"])

    def data(self):
        items = [{"name": self.pick(WORDS), "price": self.number(), "qty": self.r.randint(0, 9), "tags": self.value(1),
                  "x": self.value(2)} for _ in range(self.r.randint(1, 4))]  # not empty: grouping nothing changes the input of the reference
        return {"a": self.value(), "b": self.value(2), "c": self.pick(WORDS), "items": items, "x": self.number()}

    # ---- expressions ----
    def quote(self, text):
        out = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{out}"'

    def text(self, d):
        if d <= 0:
            return self.pick([self.quote(self.pick(WORDS)), "c", "items[0].name", "name", "$string(x)"])
        e = self.expression
        return self.pick([
            lambda: self.quote(self.pick(WORDS)),
            lambda: f"$uppercase({self.text(d-1)})", lambda: f"$lowercase({self.text(d-1)})", lambda: f"$trim({self.text(d-1)})",
            lambda: f"$substring({self.text(d-1)}, {self.num(d-1)})", lambda: f"$substring({self.text(d-1)}, {self.num(0)}, {self.num(d-1)})",
            lambda: f"$substringBefore({self.text(d-1)}, {self.text(0)})", lambda: f"$substringAfter({self.text(d-1)}, {self.text(0)})",
            lambda: f"$pad({self.text(d-1)}, {self.r.randint(-12, 12)})", lambda: f"$pad({self.text(d-1)}, {self.r.randint(-12, 12)}, {self.text(0)})",
            lambda: f"$join({self.array(d-1)}, {self.text(0)})", lambda: f"$join({self.array(d-1)}.$string())",
            lambda: f"$string({e(d-1)})", lambda: f"$string({e(d-1)}, {self.boolean(0)})",
            lambda: f"$replace({self.text(d-1)}, {self.replacing(d-1)})",
            lambda: f"$replace({self.text(d-1)}, {self.replacing(d-1)}, {self.r.randint(0, 3)})",
            lambda: f"$base64encode({self.text(d-1)})", lambda: f"$base64decode({self.text(d-1)})",
            lambda: f"$encodeUrlComponent({self.text(d-1)})", lambda: f"$decodeUrl({self.text(d-1)})",
            lambda: f"$encodeUrl({self.text(d-1)})", lambda: f"$decodeUrlComponent({self.text(d-1)})",
            lambda: f"$formatNumber({self.num(d-1)}, {self.quote(self.pick(NUM_PICTURES))})",
            lambda: f"$formatInteger({self.num(d-1)}, {self.quote(self.pick(INT_PICTURES))})",
            lambda: f"$formatBase({self.num(d-1)}, {self.r.randint(1, 37)})",
            lambda: f"$fromMillis({self.millis()}, {self.quote(self.pick(DATE_PICTURES))}, {self.quote(self.pick(['+0100', '-0530', '0000', '+1245']))})",
            lambda: f"$fromMillis({self.millis()}, {self.quote(self.pick(DATE_PICTURES))})", lambda: f"$fromMillis({self.millis()})",
            lambda: f"{self.text(d-1)} & {e(d-1)}", lambda: f"$type({e(d-1)})",
        ])()

    def millis(self):
        return self.pick([str(self.r.randint(-10**12, 2 * 10**12)), "0", "1e12", "-1", "951782400000"])

    def pattern(self):
        return self.pick(REGEXES) if self.r.random() < 0.7 else self.text(0)

    def replacing(self, d):
        pattern = self.pattern()
        with_text = [self.quote(self.pick(["-", "$1", "$0$0", "$$", "[$2]", "$12", "$x", ""])), self.text(0)]
        if pattern[0] != "/":  # a text replaced by a function: the reference puts in the function's source
            return f"{pattern}, {self.pick(with_text)}"
        return pattern + ", " + self.pick(with_text + [
                          "function($m){ $uppercase($m.match) }", "function($m){ $string($m.start) & $m.groups[0] }"])

    def num(self, d):
        if d <= 0:
            return self.pick(NUMBERS + ["x", "price", "qty", "$count(items)"])
        e = self.expression
        return self.pick([
            lambda: self.pick(NUMBERS), lambda: f"({self.num(d-1)} {self.pick(['+', '-', '*', '/', '%'])} {self.num(d-1)})",
            lambda: f"-{self.num(0)}", lambda: f"$number({self.text(d-1)})", lambda: f"$length({self.text(d-1)})",
            lambda: f"$sum({self.array(d-1)})", lambda: f"$count({e(d-1)})", lambda: f"$max({self.array(d-1)})", lambda: f"$average({self.array(d-1)})",
            lambda: f"$min({self.array(d-1)})", lambda: f"$round({self.num(d-1)})", lambda: f"$round({self.num(d-1)}, {self.r.randint(-3, 4)})",
            lambda: f"$floor({self.num(d-1)})", lambda: f"$ceil({self.num(d-1)})", lambda: f"$abs({self.num(d-1)})", lambda: f"$sqrt({self.num(d-1)})",
            lambda: f"$power({self.num(d-1)}, {self.r.randint(-2, 4)})",
            lambda: f"$parseInteger({self.pick([self.text(0), self.quote(self.pick(['twelve', 'XIV', '1,234', 'ab', '21st', 'one hundred and two']))])}, {self.quote(self.pick(INT_PICTURES))})",
            lambda: f"$toMillis({self.quote(self.pick(STAMPS))})",
            lambda: f"$toMillis({self.quote(self.pick(STAMPS))}, {self.quote(self.pick(DATE_PICTURES))})",
            lambda: f"$toMillis($fromMillis({self.millis()}, {self.quote(self.pick(DATE_PICTURES[:8]))}), {self.quote(self.pick(DATE_PICTURES[:8]))})",
        ])()

    def boolean(self, d):
        if d <= 0:
            return self.pick(["true", "false", "a", "$exists(b)"])
        e = self.expression
        return self.pick([
            lambda: f"({e(d-1)} {self.pick(['=', '!=', '<', '>', '<=', '>=', 'in'])} {e(d-1)})",
            lambda: f"({self.num(d-1)} {self.pick(['<', '>=', '='])} {self.num(d-1)})",
            lambda: f"({self.boolean(d-1)} {self.pick(['and', 'or'])} {self.boolean(d-1)})",
            lambda: f"$boolean({e(d-1)})", lambda: f"$not({e(d-1)})", lambda: f"$exists({e(d-1)})",
            lambda: f"$contains({self.text(d-1)}, {self.pattern()})",
        ])()

    def array(self, d):
        if d <= 0:
            return self.pick(["[1..3]", "items", "items.price", "items.name", "[]", "a", "[1, 2.5, -3]", '["b", "a", "c"]', "tags"])
        e = self.expression
        return self.pick([
            lambda: "[" + ", ".join(e(d - 1) for _ in range(self.r.randint(0, 3))) + "]",
            lambda: f"$split({self.text(d-1)}, {self.pattern()})", lambda: f"$split({self.text(d-1)}, {self.pattern()}, {self.r.randint(0, 3)})",
            lambda: f"$match({self.text(d-1)}, {self.pick(REGEXES)})", lambda: f"$match({self.text(d-1)}, {self.pick(REGEXES)}, {self.r.randint(0, 2)})",
            lambda: f"$map({self.array(d-1)}, function($v, $i){{ {self.pick(['$v', '$i', '[$v, $i]', '$string($v)'])} }})",
            lambda: f"$filter({self.array(d-1)}, function($v){{ {self.pick(['$v', '$boolean($v)', '$v > 1', '$exists($v.name)'])} }})",
            lambda: f"$sort({self.array(d-1)})", lambda: f"$reverse({self.array(d-1)})", lambda: f"$distinct({self.array(d-1)})",
            lambda: f"$append({e(d-1)}, {e(d-1)})", lambda: f"$zip({self.array(d-1)}, {self.array(d-1)})", lambda: f"$keys({e(d-1)})",
            lambda: f"$spread({e(d-1)})", lambda: f"$each({self.obj(d-1)}, function($v, $k){{ $k & $string($v) }})",
            lambda: f"{self.array(d-1)}[{self.pick([self.num(0), self.boolean(d-1)])}]", lambda: f"{self.array(d-1)}^({self.pick(['$', '>$', 'price', '>qty, name'])})",
            lambda: f"[{self.r.randint(-3, 3)}..{self.r.randint(-3, 6)}]",
        ])()

    def obj(self, d):
        if d <= 0:
            return self.pick(["$", "b", "items[0]", "{}", '{"a": 1, "b": "x"}'])
        e = self.expression
        return self.pick([
            lambda: "{" + ", ".join(f'"{n}": {e(d-1)}' for n in self.r.sample(NAMES, self.r.randint(0, 3))) + "}",
            lambda: f"$merge([{self.obj(d-1)}, {self.obj(d-1)}])", lambda: "items{name: price}", lambda: f"items{{$string(qty): {e(d-1)}}}",
            lambda: f"$sift({self.obj(d-1)}, function($v, $k){{ {self.pick(['$k > {}'.format(self.quote('b')), '$v', '$type($v) = {}'.format(self.quote('number'))])} }})",
            lambda: f"$ ~> |items|{{'n': {self.num(0)}}}|",
        ])()

    def path(self, d):
        step = lambda: self.pick(NAMES) + self.pick(["", "", "", "[0]", "[-1]", "[qty > 2]", "[]", "[price]", "[name = 'abc']"])
        steps = [self.pick(["$", "$$", step()])] + [self.pick([step(), step(), "*", "**", "%" if d > 1 else "*", "$", "$string()", f"({self.expression(d-1)})"])
                                                    for _ in range(self.r.randint(1, 3))]
        return ".".join(steps)

    def expression(self, d):
        if d <= 0:
            return self.pick([self.text, self.num, self.boolean, self.array, self.obj])(0)
        return self.pick([
            lambda: self.text(d), lambda: self.text(d), lambda: self.num(d), lambda: self.num(d), lambda: self.boolean(d), lambda: self.array(d),
            lambda: self.array(d), lambda: self.obj(d), lambda: self.path(d), lambda: self.path(d),
            lambda: f"({self.boolean(d-1)} ? {self.expression(d-1)} : {self.expression(d-1)})",
            lambda: f"($v := {self.expression(d-1)}; [$v, {self.expression(d-1)}])",
            lambda: f"$lookup({self.expression(d-1)}, {self.quote(self.pick(NAMES))})",
            lambda: f"$reduce({self.array(d-1)}, function($p, $c){{ $p & $c }})", lambda: f"({self.expression(d-1)} ~> {self.pick(['$string', '$count', '$reverse', '$type', '$uppercase'])})",
            lambda: f"({self.path(d-1)} ?? {self.expression(d-1)})", lambda: f"({self.pick(NAMES)} ?: {self.expression(0)})",
            lambda: f"$single({self.array(d-1)})", lambda: f"$eval({self.quote(self.expression(0))})",
        ])()

    def pair(self):
        return {"expr": self.expression(self.r.randint(1, 3)), "data": self.data()}
