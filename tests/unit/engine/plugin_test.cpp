// These tests open plugins of both forms, and some that cannot be used.
#include "runtime/engine/plugin.hpp"

#include "runtime/engine/session.hpp"
#include "tests/support/places.hpp"
#include "tests/unit/engine/fixture.hpp"

#include <gmock/gmock.h>
#include <poll.h>

namespace tayfa::engine::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string plugins() {
  return tayfa::test::in_build("/tests/plugins");
}

/// A kind whose library is the test plugin of that name.
engine_kind kind_in(std::string_view name, std::string_view library) {
  engine_kind kind{.name = name, .about = "for tests"};
  kind.plugin = {.library = library, .built_on = "plaster", .absent = errc::unfit};
  return kind;
}

/// A session whose engine comes from a plugin, in a process that obeys it.
struct plugin_session {
  explicit plugin_session(const engine_kind& kind)
      : s(worker_ref{slot_id{0}, 1}, plugin_factory(kind, plugins(), time), wire, time) {
    s.open();
    wire.answer(s);
    say(protocol::welcome{1'000});
  }

  void say(const protocol::downstream& message) {
    wire.give(s, message, worker_ref{slot_id{0}, 1});
  }
  /// Serves the engine's thread until it has said so many of these.
  template <class Body>
  std::vector<Body> heard(std::size_t count) {
    while (all<Body>(wire.said).size() < count) {
      pollfd waits{s.wake_descriptor(), POLLIN, 0};
      if (s.wake_descriptor() < 0 || ::poll(&waits, 1, 60'000) != 1) {
        break;
      }
      s.wake(time.now());
    }
    return all<Body>(wire.said);
  }
  void load(const std::string& model = "m") { say(protocol::load_model{model, "", ""}); }
  attempt_ref give(const std::string& job, const std::string& input,
                   const std::string& model = "m") {
    auto m = assign(job, input);
    m.model = model;
    say(m);
    return m.attempt;
  }

  manual_time time;
  fake_dispatcher wire;
  session s;
};

TEST(plugin, a_whole_engine_serves_a_session) {
  plugin_session p{kind_in("echo", "libecho_engine.so")};
  const auto hello = p.heard<protocol::hello>(1);
  ASSERT_THAT(hello, SizeIs(1));
  EXPECT_EQ(hello[0].engine, "echo");
  EXPECT_EQ(hello[0].device, "echo chamber");
  EXPECT_EQ(hello[0].capacity, 3U);
  EXPECT_TRUE(hello[0].continuous);
  p.load();
  ASSERT_THAT(p.heard<protocol::load_finished>(1), SizeIs(1));
  p.give("a", R"({"a":1})");
  const auto silent = p.give("b", "{}", "silent");
  p.give("c", R"({"b":2})");
  const auto ended = p.heard<protocol::finished>(2);
  ASSERT_THAT(ended, SizeIs(2)) << "the silent one still runs";
  EXPECT_EQ(ended[0].output.view(), R"({"a":1})");
  EXPECT_EQ(ended[1].output.view(), R"({"b":2})");
  p.say(protocol::cancel{silent});
  const auto last = p.heard<protocol::finished>(3);
  ASSERT_THAT(last, SizeIs(3));
  EXPECT_EQ(last[2].attempt, silent);
  EXPECT_EQ(last[2].how, protocol::outcome::cancelled);
}

TEST(plugin, a_blocking_model_computes_on_a_thread_and_needs_no_version) {
  plugin_session p{kind_in("shout", "libshout_model.so")};
  EXPECT_EQ(p.heard<protocol::hello>(1).at(0).device, "megaphone");
  p.load();
  const auto loaded = p.heard<protocol::load_finished>(1);
  ASSERT_THAT(loaded, SizeIs(1));
  EXPECT_TRUE(loaded[0].ok);
  p.give("a", R"("hey")");
  const auto ended = p.heard<protocol::finished>(1);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].output.view(), R"({"shouted":"hey"})");
}

struct faulty {
  const char* library;
  const char* why;
};

void PrintTo(const faulty& f, std::ostream* out) {
  *out << f.library;
}

class unusable_plugin : public testing::TestWithParam<faulty> {};

TEST_P(unusable_plugin, is_an_error_of_each_load_and_an_unfit_row_of_the_check) {
  const auto& [library, why] = GetParam();
  const auto kind = kind_in("echo", library);
  plugin_session p{kind};
  EXPECT_EQ(p.heard<protocol::hello>(1).at(0).device, "none");
  EXPECT_EQ(p.heard<protocol::hello>(1).at(0).engine, "echo");
  p.load();
  const auto loaded = p.heard<protocol::load_finished>(1);
  ASSERT_THAT(loaded, SizeIs(1));
  EXPECT_FALSE(loaded[0].ok);
  EXPECT_EQ(loaded[0].code, static_cast<std::uint16_t>(errc::unfit));
  EXPECT_THAT(loaded[0].text, AllOf(HasSubstr(library), HasSubstr(why)));
  const auto report = check_plugin(kind, plugins());
  EXPECT_EQ(report.verdict, fitness::unfit);
  ASSERT_THAT(report.rows, SizeIs(1));
  EXPECT_EQ(report.rows[0].name, "plaster");
  EXPECT_EQ(report.rows[0].advice, "install plaster and build again, or use --engine scripted");
}

INSTANTIATE_TEST_SUITE_P(
    table, unusable_plugin,
    testing::Values(
        faulty{"libnot_there.so", "is not beside the engine program"},
        faulty{"libno_library.so", "file too short"},
        faulty{"libno_entry.so", "it has neither tayfa_make_engine nor tayfa_make_blocking_model"},
        faulty{"libno_version.so", "does not say for which version of the interface it was built"},
        faulty{"libother_version.so", "it was built for version 99 of the interface, and this "
                                      "engine program has version 1: build it again"},
        faulty{"libmakes_nothing.so", "made no engine"},
        faulty{"libshout_model.so", "brings the engine \"shout\" and not \"echo\""}));

TEST(plugin, its_check_is_the_kinds_own) {
  const auto report = check_plugin(kind_in("echo", "libecho_engine.so"), plugins());
  EXPECT_EQ(report.verdict, fitness::reduced);
  ASSERT_THAT(report.rows, SizeIs(1));
  EXPECT_EQ(report.rows[0].name, "walls");
  EXPECT_EQ(check_plugin(kind_in("shout", "libshout_model.so"), plugins()).rows.at(0).name,
            "plaster")
      << "its report is not JSON";
  const auto without = check_plugin(kind_in("echo", "libmakes_nothing.so"), plugins());
  EXPECT_THAT(without.rows.at(0).value, HasSubstr("has no tayfa_check_machine"));
}

} // namespace
} // namespace tayfa::engine::test
