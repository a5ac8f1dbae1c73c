# SPDX-License-Identifier: Apache-2.0
"""Random JSONata expressions and data. Everything comes from one seeded random.Random."""

NAMES = ["a", "b", "c", "items", "name", "price", "qty", "tags", "x"]
WORDS = ["", "a", "abc", "Hello World", "  two  spaces ", "a,b,c", "2024-02-29T10:00:00Z", "12", "-3.50", "0x1F", "true",
         "stra\u00dfe", "\u00e9t\u00e9", "aXbXc", "line\nbreak", "a.b.c", "99 red", "%41%20", "caf%C3%A9", "YWJj", "\U0001f600b\U0001f600",
         "tab\there", "10.5", "-0", "1e3", "\u0130I\u0131", "a\u0301", "\u2028", "\\ \"q\""]
# 9007199254740993 is not among them: what no arithmetic touched is not rounded here, on purpose.
NUMBERS = ["0", "1", "2", "3", "-1", "10", "2.5", "-2.5", "0.1", "0.125", "1.005", "1e3", "1e-7", "12345.678", "-0.5",
           "1000000", "3.14159265358979", "100", "7", "1e21", "9007199254740992", "-0", "1e-10", "0.30000000000000004", "123456789012345680000",
           "4.35", "99.995", "-1.5", "1e16", "1e300"]
REGEXES = ["/a/", "/[a-c]+/", "/(\\w)(\\w*)/", "/\\s+/", "/,/", "/b/i", "/^./m", "/x|o/i", "/(l+)/", "/\\d+/", "/[^a-z]/", "/.$/",
           "/(a)|(b)/", "/A/i", "/(?:a|b)+/", "/\\bb/", "/[\\w.]+/", "/(\\d)(\\d)?/", "/\\$/", "/[^,]*,/", "/a{1,2}/", "/(?=b)b/", "/\\u0062/", "/\\//",
           "/[\\/]/", "/^\\S+/", "/l+?/", "/\\D$/", "/o$/m", "/(.)\\1/", "/[\\s\\S]/", "/\\x61/", "/./"]
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
        return self.pick([float(n) if "." in n or "e" in n else int(n) for n in NUMBERS if n not in ("1e21", "1e300", "-0", "9007199254740992", "123456789012345680000")])

    def data(self):
        items = [{"name": self.pick(WORDS), "price": self.number(), "qty": self.r.randint(0, 9), "tags": self.value(1),
                  "x": self.value(2)} for _ in range(self.r.randint(1, 4))]  # not empty: grouping nothing changes the input of the reference
        return {"a": self.value(), "b": self.value(2), "c": self.pick(WORDS), "items": items, "x": self.number()}

    # ---- expressions ----
    def quote(self, text):
        out = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return f'"{out}"' if "'" in out or self.r.random() < 0.8 else "'" + out.replace('\\"', '"') + "'"

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
            # bases and exponents whose power is exact: elsewhere libraries differ in the last bit
            lambda: f"$power({self.pick(['0', '1', '2', '3', '-2', '0.5', '10', '-1.5', 'qty', '1e300'])}, {self.pick(['0', '1', '2', '3', '-0', '7'])})",
            lambda: f"$power({self.pick(['2', '0.5', '-4', '1', '0', '-1'])}, {self.pick(['-1', '-2', '0.5', '1000', '2000', '-3'])})",
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
            lambda: self.otherwise(self.path(d - 1), d), lambda: self.otherwise(self.expression(d - 1), d),
            lambda: f"$single({self.array(d-1)})", lambda: f"$eval({self.quote(self.expression(0))})",
            lambda: self.binding(d), lambda: self.binding(d), lambda: self.functional(d), lambda: self.functional(d), lambda: self.functional(d),
            lambda: self.failing(d), lambda: self.spelling(d),
        ])()

    def otherwise(self, left, d):
        """`?:` and `??` of the reference evaluate the left side twice, and loop for ever when there is a regular expression in it, or mix
        up what a `%` looks back to."""
        test = "$v" if "/" in left or "%" in left else left
        text = f"{test} {self.pick(['?:', '??'])} {self.expression(d-1)}"
        return f"({text})" if test == left else f"($v := {left}; {text})"

    # ---- what binds, calls and fails ----
    def function(self, d, parameters="$v, $i"):
        """A function value."""
        body = self.pick(["$v", "$v + 1", "$v & '!'", "[$v]", "$i", "$v.price", "$v[0]", "$v > 1", "$exists($v)", "$type($v)", "$string($v)",
                          f"$v = {self.num(0)}", "{'v': $v}", "($i := $v; $i)", "$count($v)", f"({self.boolean(0)} ? $v)"])
        return self.pick([
            lambda: f"function({parameters}){{ {body} }}", lambda: f"function({parameters}){{ {body} }}", lambda: f"\u03bb({parameters}){{ {body} }}",
            lambda: f"function($v)<{self.pick(['n:n', 'x:x', 's-:s', 'a<n>:a', 'j?:j', '(ns):s', 'o:o', 'x-:x', 'b:b', 'an?:x', 's+:a'])}>{{ {body} }}",
            lambda: self.pick(["$string", "$uppercase", "$count", "$not", "/a/", "/^./", "$boolean", "$sum", "$type", "$abs", "$length", "$keys", "$exists"]),
            lambda: f"($string ~> {self.pick(['$length', '$uppercase', '$count'])})",
            lambda: f"$append(?, {self.expression(0)})", lambda: f"function($a, $v){{ {body} }}({self.expression(0)}, ?)",
        ])()

    def functional(self, d):
        e = self.expression
        return self.pick([
            lambda: f"$map({self.array(d-1)}, {self.function(d)})", lambda: f"$filter({self.array(d-1)}, {self.function(d)})",
            lambda: f"$single({self.array(d-1)}, {self.function(d)})", lambda: f"$sift({self.obj(d-1)}, {self.function(d, '$v, $i, $o')})",
            lambda: f"$each({self.obj(d-1)}, {self.function(d, '$v, $i, $o')})", lambda: f"$map({self.array(d-1)}, function($v, $i, $a){{ $count($a) - $i }})",
            lambda: f"$filter({self.array(d-1)}, function($v, $i, $a){{ $v = $a[0] }})",
            lambda: f"$reduce({self.array(d-1)}, function($p, $v){{ {self.pick(['$p + $v', '$append($p, $v)', '$p & $v', '[$v, $p]', '$merge([$p, $v])'])} }}, {e(0)})",
            lambda: f"$reduce({self.array(d-1)}, function($p, $v, $i, $a){{ $string($p) & $i & $count($a) }})", lambda: f"$reduce({self.array(d-1)}, $append)",
            lambda: f"$sort({self.array(d-1)}, function($l, $r){{ {self.pick(['$l > $r', '$l < $r', '$string($l) > $string($r)', '$l.price > $r.price', 'false', '$length($string($l)) > $length($string($r))'])} }})",
            lambda: f"{self.function(d)}({e(d-1)})", lambda: f"{self.function(d)}({e(d-1)}, {e(0)})", lambda: f"({e(d-1)} ~> {self.function(d)})",
            lambda: f"($f := {self.function(d)}; $f({e(d-1)}))", lambda: f"($f := function($n){{ $n <= 0 ? {e(0)} : $f($n - 1) }}; $f({self.r.randint(0, 5)}))",
            lambda: f"($f := function($n){{ $n <= 1 ? 1 : $n * $f($n - 1) }}; $f({self.num(0)}))" if d < 3 and self.r.random() < 0 else f"($f := function($n){{ $n > 0 ? [$n, $f($n - 1)] }}; $f({self.r.randint(0, 4)}))",
            lambda: f"($f := function($a){{ function($b){{ [$a, $b] }} }}; $f({e(0)})({e(d-1)}))", lambda: f"({e(d-1)} ~> {self.function(d)} ~> {self.function(d)})",
            lambda: f"($c := {self.function(d)} ~> {self.function(d)}; $c({e(d-1)}))", lambda: f"$zip({self.array(d-1)}, {self.array(d-1)}, {self.array(0)})",
            lambda: f"({e(d-1)} ~> |{self.pick(['items', 'a', '$', '**', 'b', 'items[qty > 2]', '*', 'items.tags'])}|{self.update()}|)",
            lambda: f"$count($shuffle({self.array(d-1)}))", lambda: f"({e(d-1)} ~> $map({self.function(d)}))", lambda: f"{self.array(d-1)}.({self.function(d)}($))",
            lambda: f"$each($, function($v, $k){{ {{$k: {self.pick(['$v', '$type($v)', '$count($v)'])}}} }})", lambda: f"$clone({e(d-1)})",
            lambda: f"$eval({self.quote(self.pick(['items.price', '[1, 2', '$v', 'name', '$sum(price)', '{}', '1 + a', 'function($x){ $x }(3)']))}, {e(d-1)})",
            lambda: f"$string({e(d-1)}, true)", lambda: f"$lookup({self.array(d-1)}, {self.quote(self.pick(NAMES))})", lambda: f"$match({self.text(d-1)}, {self.pick(REGEXES)}).{self.pick(['match', 'groups', 'index', 'groups[0]', '(match & index)'])}",
            lambda: f"{self.pick(REGEXES)}({self.text(d-1)}){self.pick(['', '.match', '.start', '.end', '.groups', '.next()', '.next().match'])}",
            lambda: f"$formatNumber({self.num(d-1)}, {self.quote(self.pick(['#.##0,00', '0.00', '#,##0.00', '#e0', 'i#0', '##0.00x', '0;(0)', '(0)']))}, {self.options()})",
        ])()

    def options(self):
        return "{" + ", ".join(self.r.sample(["'decimal-separator': ','", "'grouping-separator': '.'", "'zero-digit': '\u0660'", "'minus-sign': '~'", "'percent': 'x'",
                                              "'exponent-separator': 'E'", "'digit': 'i'", "'pattern-separator': '|'", "'per-mille': '\u2030'"], self.r.randint(0, 3))) + "}"

    def update(self):
        return self.pick(["{'n': $count($)}", "{'price': price * 2}", "{'x': name}", "{'d': 1}, 'price'", "{}, ['name', 'qty']", "{'t': $type(tags)}, nothing", "{'a': $}",
                          "{'n': 1}, 5", "nothing", "{'name': $uppercase(name)}, ['x']", "5"])

    def binding(self, d):
        """Paths with @, #, %, order-by and group-by; variables and blocks."""
        e = self.expression
        step = lambda: self.pick(["items", "a", "items.tags", "b", "items[0..1]", "items[[0..1]]", "$$.items", "*", "a.*", "items.x", "(items)", "[items]", "$.items"])
        last = lambda: self.pick(["name", "$", "{'n': name, 'i': $i}", "[$i, price]", "$i", "(price & '/' & $i)", "tags", "%.name", "x", "$string($)"])
        term = lambda: self.pick(["", "<", ">"]) + self.pick(["price", "qty", "name", "$", "-qty", "$string(x)", "tags[0]", "%.x", "$length(name)", "qty * price"])
        return self.pick([
            lambda: f"{step()}#$i.{last()}", lambda: f"{step()}#$i[{self.pick(['$i > 0', '$i = 0', 'qty > 2', '0', '-1'])}].{last()}",
            lambda: f"items@$l.{self.pick(['items', 'a', '$$.items'])}@$r[$l.qty = $r.qty].{{'l': $l.name, 'r': $r.name}}", lambda: f"items@$l.($l.name & $l.price)",
            lambda: f"{step()}@$i.{last()}", lambda: f"{step()}.{self.pick(['name', 'tags', 'x', '*'])}.%.{self.pick(['qty', 'name', '$', '%.c', '*'])}",
            lambda: f"items.tags.{{'t': $, 'of': %.name, 'c': %.%.c}}", lambda: f"items[%.x = {self.num(0)}].name", lambda: f"{step()}^({term()})", lambda: f"{step()}^({term()}, {term()}).{self.pick(['name', '[name, qty]', '$'])}",
            lambda: f"{step()}^({term()})#$i.{last()}", lambda: f"{step()}#$i^({term()}).{last()}", lambda: f"{step()}^({term()})[{self.pick(['0', '-1', '[0,1]'])}].name",
            # not after a term with %: the reference gives such a filter its own tuple in place of the item
            lambda: f"{step()}^({self.pick(['>', ''])}{self.pick(['price', 'qty', 'name'])})[{self.pick(['qty > 1', 'price', 'name = %s' % self.text(0)])}].name",
            lambda: f"{step()}{{{self.pick(['name', '$string(qty)', 'c', '$type($)', 'qty', '$string($)'])}: {self.pick(['price', '$count($)', '$', '$sum(price)', '[name]', 'qty[0]', '$i', '$string($)'])}}}",
            lambda: f"items#$i{{$string(qty): {self.pick(['$i', '[$i]', 'name', '$count($i)'])}}}", lambda: f"items{{name: qty, $string(qty): price}}",
            lambda: f"{self.path(d-1)}{{{self.text(0)}: {e(d-1)}}}", lambda: f"{step()}.{{{self.text(0)}: {e(d-1)}, name: qty}}",
            lambda: f"($x := {e(d-1)}; $y := {e(0)}; ($x := {e(0)}; $x); {self.pick(['$x', '[$x, $y]', '$x = $y', '$x & $y', '$'])})", lambda: f"($v := {e(d-1)}).{self.pick(['$v', 'name', '$'])}",
            lambda: f"{step()}[]{self.pick(['', '.name', '.name[]', '[0]', '[0][]'])}", lambda: f"{step()}.name[]", lambda: f"[{e(d-1)}][]", lambda: f"{{'k': {self.path(d-1)}[]}}",
            lambda: f"{self.array(d-1)}[{self.pick(['[0, 1]', '[0..1]', '[-1]', '1.7', '-1.2', '[0, 0]', '[true, 1]', '$ > 1', '$$.x', 'null', '{}', '[]', '[[0]]', '-10', '99'])}]",
            lambda: f"{self.array(d-1)}[{self.num(0)}][{self.num(0)}]", lambda: f"{step()}.($ ~> $string)", lambda: f"**.{self.pick(NAMES)}", lambda: f"*.{self.pick(NAMES)}[0]", lambda: f"items.**[{self.num(0)}]",
            lambda: f"items.$lookup($, {self.quote(self.pick(NAMES))})", lambda: f"items.({e(d-1)})", lambda: f"items[{self.boolean(d-1)}]", lambda: f"$$.{self.path(d-1)}", lambda: f"$.({e(d-1)}; name)",
            lambda: f"[{self.num(0)}..{self.pick(['3', '$count(items)', 'x', '2.5', 'name', '-1', 'nothing', '1e8'])}]", lambda: f"{step()}.[name, qty]", lambda: f"{step()}.[tags].$count($)",
        ])()

    def failing(self, d):
        """Mistakes: types, missing arguments, errors raised by the expression, texts that are no expression."""
        e = self.expression
        whole = lambda: self.pick(["$sum", "$count", "$uppercase", "$substring", "$map", "$split", "$number", "$join", "$keys", "$lookup", "$sort", "$round", "$contains", "$merge",
                                   "$zip", "$pad", "$power", "$toMillis", "$fromMillis", "$formatNumber", "$append", "$boolean", "$distinct", "$reduce", "$spread", "$not", "$max"])
        return self.pick([
            lambda: f"{whole()}({', '.join(e(0) for _ in range(self.r.randint(0, 4)))})", lambda: f"{whole()}({', '.join(e(0) for _ in range(self.r.randint(0, 3)))})",
            lambda: f"{self.pick(['a', 'c', 'x', 'items'])}.{whole()}({self.pick(['', e(0)])})", lambda: f"$error({self.pick(['', self.text(0), self.num(0)])})", lambda: f"$assert({e(d-1)}{self.pick(['', ', ' + self.text(0)])})",
            lambda: f"{self.text(0)} {self.pick('+-*/%')} {self.num(0)}", lambda: f"{e(d-1)} {self.pick(['+', '-', '<', '>=', '&', '..', '~>', 'in'])} {e(d-1)}", lambda: f"-{e(d-1)}",
            lambda: self.cut(e(d - 1)), lambda: self.cut(e(d - 1)), lambda: f"{self.pick(['nope', '$nope', 'name', '$x', '5'])}({e(0)})", lambda: f"{{{e(0)}: {e(0)}}}", lambda: f"{{'a': 1, {self.text(0)}: 2}}",
            lambda: f"{self.expression(0)}^({self.pick(['x', '$', 'items', 'tags'])})", lambda: f"{self.pick(['%', '%.a', 'a.%.%', '(a).%', '@$x', 'a@x', 'a#x', 'a[0]@$x', 'a^($)@$x.b', 'a{b:c}{d:e}', 'a{b:c}[0]', 'a.1', 'a.true', '1.a', 'null.a'])}",
            lambda: f"$reduce({self.array(0)}, function($x){{ $x }})", lambda: f"$base64decode({self.text(0)})", lambda: f"$eval({self.text(0)})", lambda: f"$formatBase({e(0)}, {self.pick(['1', '37', '2.5', 'x', '36'])})",
            lambda: f"$number({e(0)})", lambda: f"$toMillis({self.text(0)}, {self.text(0)})", lambda: f"$formatInteger({self.num(0)}, {self.text(0)})", lambda: f"$formatNumber({self.num(0)}, {self.text(0)})", lambda: f"$parseInteger({self.text(0)}, {self.text(0)})",
        ])()

    def cut(self, text):
        """The text with a character less, twice or another one."""
        at = self.r.randrange(len(text))
        return self.pick([text[:at] + text[at + 1:], text[:at] + text[at] + text[at:], text[:at] + self.pick("()[]{}$.,;:?~|/^<>=!&@#%*'\"` 0ax") + text[at + 1:]])

    def spelling(self, d):
        """Other ways to write the same."""
        e = self.expression
        return self.pick([
            lambda: f"/* note */ {e(d-1)}", lambda: f"{e(d-1)} /* end */", lambda: f"`{self.pick(NAMES)}`", lambda: f"$$.`items`[0].`{self.pick(NAMES)}`", lambda: f"(\n\t{e(d-1)} ;\r\n)", lambda: f"'{self.pick(NAMES)}'",
            lambda: f"items.'{self.pick(NAMES)}'", lambda: f"items.\"{self.pick(NAMES)}\"[0]", lambda: "()", lambda: f"({e(d-1)};)", lambda: f"(;{e(0)})", lambda: self.pick(["and", "or", "in", "and.or", "true.a", "in.in", "[and, or]", "items and in", "null"]),
            lambda: self.pick(["'\\u0041'", '"\\ud83d\\ude00"', "'\\/\\b\\f'", "'\\x'", "'\\u00g0'", '"a\nb"', "1.", ".5", "01", "1e", "1e+2", "1E2", "0x10", "1.5.a", "1..3", "[1...3]", "1_0", "5e-324", "1e309", "-1e309", "9007199254740992"]),
            lambda: f"{e(0)}{self.pick(['=', '!=', '<', '<=', ' in ', ' and ', ' or '])}{e(0)}{self.pick(['=', '!=', ' and ', ' or ', '&', '+', '*'])}{e(0)}", lambda: f"{self.num(0)} {self.pick('+-*/%&')} {self.num(0)} {self.pick('+-*/%&')} {self.num(0)}",
            lambda: f"{self.boolean(0)} ? {e(0)} : {self.boolean(0)} ? {e(0)} : {e(0)}", lambda: f"{self.boolean(d-1)} ? {e(0)}", lambda: f"({e(d-1)})[{self.num(0)}]", lambda: f"({e(d-1)}).({e(0)})", lambda: f"--{self.num(0)}", lambda: f"{self.num(0)}--{self.num(0)}",
        ])()

    def pair(self):
        return {"expr": self.expression(self.r.choice((1, 1, 2, 2, 3, 3, 4))), "data": self.data()}
