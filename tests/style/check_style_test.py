#!/usr/bin/env python3
"""The style check checked: a clean tree passes, and each rule finds exactly the break that was made for it."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import check_style

HEADER = "// The thing, its owner.\n#pragma once\n"
WORD = "TO" + "DO"
ROOMS = """# bottom to top
base | | time
core | base | decisions
host | | the machine
engine | | processes
engine/torch | | the plugin
"""


class StyleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("messages/job.hpp", HEADER + "#include <string>\n")
        self.write("messages/interfaces.hpp", HEADER + "#include <caf/all.hpp>\n")
        self.write("runtime/base/clock.cpp", "auto now() { return std::chrono::steady_clock::now(); }\n")
        self.write("runtime/core/table.cpp", '#include "runtime/base/clock.hpp"\n')
        self.write("runtime/base/clock.hpp", HEADER)
        self.write("runtime/host/spawn.cpp", "")
        self.write_rooms(ROOMS)
        self.write("runtime/engine/torch/engine.cpp", "#include <torch/script.h>\n")
        self.write("actors/queue.hpp", HEADER + '#include "messages/job.hpp"\n#include <caf/all.hpp>\n')
        self.write("cluster/link.hpp", HEADER + '#include "actors/queue.hpp"\n')
        self.write("tests/unit/a_test.cpp", '#include "cluster/link.hpp"\nTEST(a, b) {\n  EXPECT_TRUE(true);\n}\n')

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def write_rooms(self, text):
        """The list, and the page whose picture follows it."""
        self.write(check_style.ROOMS, text)
        first, last = check_style.PICTURE_MARKS
        self.write(check_style.PICTURE, first + check_style.picture_of(check_style.read_rooms(self.root)) + last)

    def rules(self):
        return [b.rule for b in check_style.Checker(self.root).run()]

    def exit_code(self):
        with contextlib.redirect_stdout(io.StringIO()):
            return check_style.main(["check_style.py", str(self.root)])

    def expect(self, rule, name, text):
        self.write(name, text)
        self.assertEqual([(b.rule, b.path) for b in check_style.Checker(self.root).run()], [(rule, name)])
        self.assertEqual(self.exit_code(), 1)

    def test_a_clean_tree_passes(self):
        self.assertEqual(self.rules(), [])
        self.assertEqual(self.exit_code(), 0)

    def test_nothing_to_check_is_no_success(self):
        with tempfile.TemporaryDirectory() as empty:
            self.root = Path(empty)
            self.assertEqual(self.exit_code(), 1)

    # ---- includes

    def test_messages_must_not_know_the_runtime(self):
        self.write("runtime/core/table.hpp", HEADER)
        self.expect("layers", "messages/bad.hpp", HEADER + '#include "runtime/core/table.hpp"\n')

    def test_the_runtime_must_not_know_actors(self):
        self.expect("layers", "runtime/core/bad.cpp", '#include "actors/queue.hpp"\n')

    def test_actors_must_not_know_the_cluster(self):
        self.expect("layers", "actors/bad.cpp", '#  include "cluster/link.hpp"\n')

    def test_nothing_but_tests_knows_tests(self):
        self.write("tests/support/help.hpp", HEADER)
        self.expect("layers", "cluster/bad.cpp", '#include "tests/support/help.hpp"\n')

    def test_includes_are_named_from_the_root(self):
        self.expect("include_path", "messages/bad.cpp", '#include "job.hpp"\n')
        self.expect("include_path", "messages/bad.cpp", '#include "../messages/job.hpp"\n')
        self.expect("include_path", "messages/bad.cpp", '#include "messages/missing.hpp"\n')

    def test_caf_stays_where_it_is(self):
        self.expect("caf", "runtime/core/bad.hpp", HEADER + "#include <caf/actor.hpp>\n")
        (self.root / "runtime/core/bad.hpp").unlink()
        self.expect("caf", "messages/bad.hpp", HEADER + "#include <caf/actor.hpp>\n")

    def test_torch_stays_where_it_is(self):
        for what in ("torch/script.h", "ATen/ATen.h", "c10/cuda/CUDAStream.h"):
            self.expect("torch", "runtime/engine/bad.cpp", f"#include <{what}>\n")

    # ---- the rooms of the runtime

    def test_a_room_includes_only_what_its_row_names(self):
        self.write("runtime/core/table.hpp", HEADER)
        self.expect("rooms", "runtime/base/up.cpp", '#include "runtime/core/table.hpp"\n')
        (self.root / "runtime/base/up.cpp").unlink()
        self.expect("rooms", "runtime/engine/aside.cpp", '#include "runtime/core/table.hpp"\n')

    def test_a_room_inside_of_a_room_is_another_room(self):
        self.write("runtime/engine/torch/plugin.hpp", HEADER)
        self.expect("rooms", "runtime/engine/main.cpp", '#include "runtime/engine/torch/plugin.hpp"\n')
        self.write("runtime/engine/main.cpp", "")
        self.write("runtime/engine/engine.hpp", HEADER)
        self.expect("rooms", "runtime/engine/torch/bad.cpp", '#include "runtime/engine/engine.hpp"\n')

    def test_a_room_may_have_folders(self):
        self.write("runtime/core/fair/queue.hpp", HEADER + '#include "runtime/base/clock.hpp"\n')
        self.write("runtime/core/table.cpp", '#include "runtime/core/fair/queue.hpp"\n')
        self.assertEqual(self.rules(), [])

    def test_a_folder_of_code_is_a_room(self):
        self.expect("rooms", "runtime/new/thing.cpp", "")
        (self.root / "runtime/new/thing.cpp").unlink()
        self.expect("rooms", "runtime/thing.cpp", "")
        (self.root / "runtime/thing.cpp").unlink()
        self.write("runtime/setup/build.sh", "")
        self.assertEqual(self.rules(), [])

    def expect_of_list(self, rooms, words):
        self.write_rooms(rooms)
        self.assertEqual([(b.rule, b.path, b.words) for b in check_style.Checker(self.root).run()],
                         [("rooms", check_style.ROOMS, words)])

    def test_no_row_names_a_room_below_it(self):
        self.write("runtime/core/table.hpp", HEADER)
        self.write("runtime/base/up.cpp", '#include "runtime/core/table.hpp"\n')
        self.expect_of_list(ROOMS.replace("base | |", "base | core |"), "base may include core, which does not stand above it")

    def test_a_row_names_nothing_that_is_not_needed(self):
        self.expect_of_list(ROOMS.replace("engine | |", "engine | core |"), "nothing of engine includes core any more")
        self.write("runtime/core/table.cpp", "")
        self.expect_of_list(ROOMS, "nothing of core includes base any more")

    def test_a_row_is_of_a_folder(self):
        self.expect_of_list(ROOMS + "gone | | nothing\n", "runtime/gone is no folder")

    def test_the_picture_follows_the_list(self):
        self.expect("rooms", check_style.PICTURE, "<!-- rooms -->\n| `core` | old words | - |\n<!-- end -->")
        (self.root / check_style.PICTURE).unlink()
        self.assertEqual(self.rules(), ["rooms"])

    # ---- the world

    def test_the_product_reads_no_clock_and_draws_no_number(self):
        for call in ("std::this_thread::sleep_for(1s)", "usleep(1)", "std::chrono::system_clock::now()",
                     "std::chrono::steady_clock::now()", "std::random_device{}()"):
            self.expect("world", "actors/bad.cpp", f"void f() {{ {call}; }}\n")

    def test_what_can_be_foretold_is_drawn_in_one_place(self):
        for place in ("cluster/program/bad.cpp", "runtime/host/bad.cpp", "runtime/base/secrets.cpp"):
            for call in ("std::mt19937_64 e{7}", "std::minstd_rand e", "sim::seeded_secrets ids{7}"):
                self.expect("predictable", place, f"void f() {{ {call}; }}\n")
                (self.root / place).unlink()
        self.write("actors/sim/fine.hpp", HEADER + "inline std::mt19937_64 e;\n")
        self.write("tests/unit/fine.cpp", "sim::seeded_secrets ids{7};\n")
        self.assertEqual(self.rules(), [])

    def test_no_watchdog_judges_by_a_timer_that_goes_on_in_a_pause(self):
        for call in ("delayed_send(this, delay, timer{})", "on([this](const timer& m) { late(m); })",
                     "request(queue, caf::timespan{patience}, liveness_probe{})",
                     "curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, 5L)"):
            self.expect("timers", "actors/bad.cpp", f"void f() {{ {call}; }}\n")
        self.write("actors/common.hpp", "// Shared parts.\n#pragma once\nvoid f() { delayed_send(1); }\n")
        self.write("actors/bad.cpp", "void f() { request(queue, caf::infinite, liveness_probe{}); }\n")
        self.assertEqual(self.rules(), [])

    def test_tests_do_not_sleep_but_may_measure(self):
        self.expect("world", "tests/unit/bad.cpp", "void f() { std::this_thread::sleep_for(1s); }\n")
        self.write("tests/unit/bad.cpp", "auto f() { return std::chrono::steady_clock::now(); }\n")
        self.write("tests/e2e/serve.cpp", "void f() { std::this_thread::sleep_for(1s); }\n")
        self.assertEqual(self.rules(), [])

    def test_words_in_comments_and_literals_are_no_calls(self):
        self.write("actors/fine.cpp", '// never sleep_for\n/* usleep\n */ auto s = "random_device";\n'
                                      'auto r = R"(steady_clock::now)";\nauto c = \'"\'; auto n = 1\'000;\n')
        self.assertEqual(self.rules(), [])
        self.expect("world", "actors/fine.cpp", "auto c = '\"'; void f() { usleep(1); } auto d = '\"';\n")

    # ---- headers and words

    def test_a_header_says_what_it_is(self):
        self.expect("header_comment", "messages/bad.hpp", "#pragma once\n// too late\n")

    def test_a_header_is_included_once(self):
        self.expect("pragma_once", "messages/bad.hpp", "// The thing.\nint a;\n")

    def test_nothing_is_left_unfinished(self):
        for word in (WORD, "FIX" + "ME", "X" * 3, "HA" + "CK"):
            self.expect("unfinished", "messages/bad.cpp", f"// {word}: later\n")
        (self.root / "messages/bad.cpp").unlink()
        self.expect("unfinished", "runtime/CMakeLists.txt", f"# {WORD}\n")

    def test_no_test_is_switched_off(self):
        self.expect("disabled_test", "tests/unit/bad.cpp", "TEST(a, DISABLED" + "_b) {}\n")

    # ---- sizes

    def body(self, lines):
        return "".join(f"  call({i});\n" for i in range(lines))

    def test_long_files(self):
        self.write("messages/fine.cpp", "int a;\n" * 450)
        self.assertEqual(self.rules(), [])
        self.write("messages/fine.cpp", "int a;\n")
        self.expect("long_file", "messages/bad.cpp", "int a;\n" * 451)

    def test_old_words(self):
        self.write("messages/fine.cpp", "int estimates = 0; // seeded, a screw, forgiver, foretold, a notebook\n")
        self.assertEqual(self.rules(), [])
        self.expect("vocabulary", "messages/bad.cpp", "int crew" + "_ = 0;\n")
        self.expect("vocabulary", "messages/bad.cpp", "// the De" + "eds\n")
        self.expect("vocabulary", "messages/bad.cpp", "class worker" + "_book;\n")
        self.expect("vocabulary", "messages/bad.cpp", "bool load_to" + "ld_ = false;\n")
        self.expect("vocabulary", "messages/bad.cpp", "struct slot" + "_line;\n")

    def test_names_that_users_rely_on_may_contain_an_old_word(self):
        self.write("messages/fine.cpp", 'auto e = "unhealthy_to' + 'ld"; // event_li' + 'ne_text\n')
        self.assertEqual(self.rules(), [])
        self.expect("vocabulary", "messages/bad.cpp", 'auto e = "unhealthy_to' + 'ld_so";\n')

    def test_comments_begin_with_their_subject(self):
        self.write("messages/fine.cpp", "// The store ends\n// What follows is a second line.\nint a;\n/// Whatsoever\nint b; ///< one\n")
        self.assertEqual(self.rules(), [])
        self.expect("headless_comment", "messages/bad.cpp", "int a;\n  /// What has " + "ended.\nint b;\n")
        self.expect("headless_comment", "messages/bad.cpp", "// Nobody knows\n// the rest\nint b;\n")

    def test_long_comments(self):
        self.write("messages/fine.cpp", "// " + "é" * 97 + "\nint a;\n")
        self.assertEqual(self.rules(), [])
        self.expect("long_comment", "messages/bad.cpp", "  /// " + "é" * 95 + "\nint a;\n")

    def test_long_functions_of_every_shape(self):
        shapes = ["void f() {\n%s}\n", "namespace a {\nvoid b::f(int x) const noexcept {\n%s}\n}\n",
                  "struct a {\n  int b = 0;\n  a(int x) : c_(x), d_{x} {\n%s}\n};\n",
                  "TEST(a, b) {\n  if (x) {\n%s}\n}\n", "auto f() -> int {\n  auto g = [&] {\n%s};\n}\n",
                  "template <class T>\nvoid f(T t = {})\n{\n%s}\n"]
        for shape in shapes:
            self.expect("long_function", "runtime/core/bad.cpp", shape % self.body(70))
            self.write("runtime/core/bad.cpp", shape % self.body(60))
            self.assertEqual(self.rules(), [], shape)

    def test_what_is_long_but_no_function(self):
        self.write("runtime/core/fine.cpp", "namespace a {\nint table[] = {\n" + "  1,\n" * 100 + "};\n}\n"
                   "struct b {\n" + "  int f() { return 1; }\n" * 100 + "};\n"
                   "#define A(x) \\\n  { \\\n  x }\n")
        self.assertEqual(self.rules(), [])

    # ---- exceptions

    def test_an_exception_is_a_ratchet(self):
        self.write("runtime/core/old.cpp", "void f() {\n" + self.body(80) + "}\n")
        self.write("tests/style/exceptions.txt", "# reason\nlong_function runtime/core/old.cpp 82\n")
        self.assertEqual(self.rules(), [])
        self.write("runtime/core/old.cpp", "void f() {\n" + self.body(81) + "}\n")
        self.assertEqual(self.rules(), ["long_function", "exception"])
        self.write("runtime/core/old.cpp", "void f() {\n" + self.body(10) + "}\n")
        self.assertEqual(self.rules(), ["exception"])


if __name__ == "__main__":
    unittest.main()
