// The host with the real engine program: every way in which an engine lives and ends.
#include "tests/unit/host/fixture.hpp"

#include <csignal>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/wait.h>

namespace tayfa::test {
namespace {

struct host_test : testing::Test {
  folder home;
  folder tools;
  remembering_log log;
  event_box box;
  event_box other; ///< sinks outlive the host
  std::unique_ptr<process_engine_host> host;

  void make_host(const std::string& program = engine_program) {
    auto made =
        process_engine_host::make({.program = program, .run_folder = home.path() + "/run"}, log);
    ASSERT_TRUE(made.has_value()) << made.error().str();
    host = std::move(*made);
  }
  worker_ref worker(std::uint32_t slot = 0, std::uint64_t incarnation = 1) {
    return {slot_id{slot}, incarnation};
  }
  void start(const worker_ref& w, event_box& into, const std::string& behavior = {}) {
    engine_spec spec{w, "scripted", {}};
    if (!behavior.empty()) {
      spec.environment.emplace_back("TAYFA_SCRIPTED", behavior);
    }
    host->start(spec, into.sink());
  }
  void start_and_load(const worker_ref& w, event_box& into) {
    start(w, into);
    into.wait_frame<protocol::hello>();
    host->send(w, protocol::welcome{50});
    host->send(w, protocol::load_model{"m", "", ""});
    EXPECT_TRUE(into.wait_frame<protocol::load_finished>().ok);
  }
  void give(const worker_ref& w, const std::string& job, const std::string& input) {
    host->send(w, protocol::assign{{job_id{job}, 1}, "m", shared_text{input}});
  }
};

TEST_F(host_test, an_engine_runs_where_it_is_pinned) {
  const auto here = read_machine();
  ASSERT_FALSE(here.cpus.empty());
  auto made = process_engine_host::make({.program = engine_program,
                                         .run_folder = home.path() + "/run",
                                         .pinner = {here, pinning::on, std::nullopt}},
                                        log);
  ASSERT_TRUE(made.has_value()) << made.error().str();
  host = std::move(*made);
  const auto slots = static_cast<std::uint32_t>(here.cpus.size());
  engine_spec spec{worker(slots - 1), "scripted", {}};
  spec.slots = slots; // as many as there are CPUs: one for each
  host->start(spec, box.sink());
  box.wait_frame<protocol::hello>(); // by now it has been pinned
  const auto spawned = box.wait<engine_spawned>();
  cpu_set_t now;
  ASSERT_EQ(::sched_getaffinity(static_cast<pid_t>(spawned.pid), sizeof now, &now), 0);
  EXPECT_EQ(CPU_COUNT(&now), 1);
  const auto cpu = parse_cpu_list(spawned.pinned);
  ASSERT_TRUE(cpu && cpu->size() == 1) << spawned.pinned;
  EXPECT_TRUE(CPU_ISSET(cpu->front(), &now));
}

TEST_F(host_test, an_engine_says_hello_runs_a_job_and_ends_on_request) {
  make_host();
  start_and_load(worker(), box);
  const auto spawned = box.wait<engine_spawned>();
  const auto hello = box.wait_frame<protocol::hello>();
  EXPECT_EQ(hello.pid, spawned.pid);
  EXPECT_EQ(hello.engine, "scripted");
  give(worker(), "a", R"({"prompt":"a cat"})");
  const auto last = box.wait_frame<protocol::finished>();
  EXPECT_EQ(last.how, protocol::outcome::completed);
  EXPECT_EQ(last.output.view(), R"({"prompt":"a cat"})");
  EXPECT_GT(box.wait_frame<protocol::heartbeat>().rss_bytes, 1'000'000U);
  host->send(worker(), protocol::shutdown{});
  const auto end = box.wait<engine_exited>();
  EXPECT_TRUE(end.started);
  EXPECT_EQ(end.code, 0);
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(end.text, "exit 0");
  EXPECT_TRUE(std::holds_alternative<engine_spawned>(box.events().front()));
  EXPECT_TRUE(std::holds_alternative<engine_exited>(box.events().back()));
}

TEST_F(host_test, a_large_input_and_output_pass) {
  make_host();
  start_and_load(worker(), box);
  const auto input = "\"" + std::string(20'000'000, 'x') + "\"";
  give(worker(), "a", input);
  EXPECT_EQ(box.wait_frame<protocol::finished>().output.view(), input);
}

TEST_F(host_test, a_crash_is_an_exit_with_its_signal_and_its_last_words) {
  make_host();
  start_and_load(worker(), box);
  give(worker(), "a", R"({"mock_crash":true})");
  const auto end = box.wait<engine_exited>();
  EXPECT_EQ(end.signal, SIGABRT);
  EXPECT_EQ(end.text, "signal 6 (Aborted)");
  EXPECT_TRUE(std::holds_alternative<engine_exited>(box.events().back()));
  const auto said = log.lines("engine_output");
  ASSERT_FALSE(said.empty());
  EXPECT_THAT(said.front().text, testing::HasSubstr("crashing, as the script says"));
}

TEST_F(host_test, a_crash_before_hello_only_in_the_lives_it_is_meant_for) {
  make_host();
  const std::string behavior = R"({"init_crash":true,"incarnations":[1]})";
  start(worker(0, 1), box, behavior);
  EXPECT_EQ(box.wait<engine_exited>().signal, SIGABRT);
  start(worker(0, 2), other, behavior);
  EXPECT_EQ(other.wait_frame<protocol::hello>().engine, "scripted");
}

TEST_F(host_test, a_faulty_behaviour_is_bad_usage) {
  make_host();
  start(worker(), box, R"({"init_dealy":1})");
  EXPECT_EQ(box.wait<engine_exited>().code, 64);
  ASSERT_FALSE(log.lines("engine_output").empty());
  EXPECT_THAT(log.lines("engine_output").front().text, testing::HasSubstr("init_dealy"));
}

TEST_F(host_test, garbage_is_nonsense) {
  make_host();
  start_and_load(worker(), box);
  give(worker(), "a", R"({"mock_garbage":true})");
  EXPECT_EQ(box.wait<protocol_violation>().why.code, errc::bad_frame);
}

TEST_F(host_test, a_stopped_engine_falls_silent_and_can_only_be_killed) {
  make_host();
  start_and_load(worker(), box);
  const auto pid = static_cast<pid_t>(box.wait<engine_spawned>().pid);
  host->kill(worker(), SIGSTOP);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOWAIT), 0);
  host->kill(worker(), SIGTERM);
  host->send(worker(), protocol::shutdown{});
  host->kill(worker(), SIGKILL);
  const auto end = box.wait<engine_exited>();
  EXPECT_EQ(end.signal, SIGKILL) << "neither SIGTERM nor shutdown reaches a stopped process";
}

TEST_F(host_test, sigterm_ends_it_with_zero_even_in_a_job) {
  make_host();
  start_and_load(worker(), box);
  give(worker(), "a", R"({"mock_delay":1000})");
  box.wait_frame<protocol::started>();
  host->kill(worker(), SIGTERM);
  const auto end = box.wait<engine_exited>();
  EXPECT_EQ(end.code, 0);
  EXPECT_EQ(end.signal, 0);
}

TEST_F(host_test, a_kill_that_comes_before_the_process_is_not_lost) {
  make_host();
  start(worker(), box);
  host->kill(worker(), SIGKILL);
  EXPECT_EQ(box.wait<engine_exited>().signal, SIGKILL);
}

TEST_F(host_test, a_hang_ignores_its_cancel_and_beats_on) {
  make_host();
  start_and_load(worker(), box);
  give(worker(), "a", R"({"mock_hang":true})");
  box.wait_frame<protocol::started>();
  host->send(worker(), protocol::cancel{{job_id{"a"}, 1}});
  std::size_t beats = 0;
  for (const auto& e : box.events()) {
    const auto* f = std::get_if<engine_frame>(&e);
    beats += f != nullptr && std::holds_alternative<protocol::heartbeat>(f->body) ? 1 : 0;
  }
  EXPECT_EQ(box.wait_frame<protocol::heartbeat>(beats + 3).running, 1U);
}

TEST_F(host_test, two_slots_live_apart) {
  make_host();
  start_and_load(worker(0), box);
  start_and_load(worker(1, 5), other);
  give(worker(0), "a", R"({"mock_crash":true})");
  EXPECT_EQ(box.wait<engine_exited>().signal, SIGABRT);
  give(worker(1, 5), "b", "1");
  EXPECT_EQ(other.wait_frame<protocol::finished>().attempt.job.str(), "b");
  for (const auto& e : other.events()) {
    std::visit([&](const auto& event) { EXPECT_EQ(event.worker, worker(1, 5)); }, e);
  }
}

TEST_F(host_test, a_program_that_is_not_there_is_an_exit_that_never_started) {
  make_host("/nonexistent/tayfa-engine");
  start(worker(), box);
  const auto end = box.wait<engine_exited>();
  EXPECT_FALSE(end.started);
  EXPECT_THAT(end.text, testing::HasSubstr("No such file"));
  EXPECT_EQ(box.events().size(), 1U);
}

TEST_F(host_test, the_same_incarnation_is_not_started_twice) {
  make_host();
  start_and_load(worker(), box);
  start(worker(), other);
  EXPECT_FALSE(other.wait<engine_exited>().started);
  give(worker(), "a", "1");
  EXPECT_EQ(box.wait_frame<protocol::finished>().attempt.job.str(), "a");
}

TEST_F(host_test, the_destructor_ends_everything_tells_it_and_leaves_no_file) {
  make_host();
  start_and_load(worker(0), box);
  start(worker(1), other);
  const watched_process engine{static_cast<pid_t>(box.wait<engine_spawned>().pid)};
  EXPECT_EQ(::access(host->socket_path().c_str(), F_OK), 0);
  host.reset();
  EXPECT_TRUE(engine.ends());
  EXPECT_EQ(box.wait<engine_exited>().signal, SIGKILL);
  other.wait<engine_exited>();
  EXPECT_TRUE(std::filesystem::is_empty(home.path() + "/run"));
}

TEST_F(host_test, sending_to_an_unknown_worker_is_counted_and_harmless) {
  make_host();
  host->send(worker(7), protocol::shutdown{});
  host->kill(worker(7), SIGKILL);
  start_and_load(worker(), box);
  EXPECT_EQ(host->router().dropped_messages(), 1U);
}

TEST_F(host_test, a_path_too_long_for_a_socket_is_refused_with_numbers) {
  const auto made = process_engine_host::make(
      {.program = engine_program, .run_folder = home.path() + "/" + std::string(100, 'x')}, log);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, errc::bad_config);
  EXPECT_THAT(made.error().text, testing::HasSubstr("107 are allowed"));
}

TEST_F(host_test, a_folder_that_cannot_be_made_is_an_error) {
  const auto made = process_engine_host::make(
      {.program = engine_program, .run_folder = "/proc/nothing/here"}, log);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, errc::io_error);
}

TEST_F(host_test, without_the_plugin_torch_is_a_load_that_says_so) {
  const auto alone = tools.path() + "/tayfa-engine"; // no plugin lies beside this copy
  std::filesystem::copy_file(engine_program, alone);
  make_host(alone);
  host->start({worker(), "torch", {}}, box.sink());
  const auto hello = box.wait_frame<protocol::hello>();
  EXPECT_EQ(hello.engine, "torch");
  EXPECT_EQ(hello.device, "none");
  host->send(worker(), protocol::load_model{"m", "/x.pt", "{}"});
  const auto answer = box.wait_frame<protocol::load_finished>();
  EXPECT_FALSE(answer.ok);
  EXPECT_EQ(errc_from(answer.code), errc::no_torch);
  host->send(worker(), protocol::shutdown{});
  EXPECT_EQ(box.wait<engine_exited>().code, 0);
}

// ---- output ---------------------------------------------------------------------------------

TEST_F(host_test, output_is_bounded_and_its_end_is_kept) {
  make_host(tools.script("chatty", "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done\n"
                                   "printf 'no newline at the end' >&2; exit 3"));
  start(worker(), box);
  EXPECT_EQ(box.wait<engine_exited>().code, 3);
  const auto said = log.lines("engine_output");
  ASSERT_GE(said.size(), 3U);
  EXPECT_LT(said.size(), 2000U);
  EXPECT_EQ(said.front().text, "line 0");
  EXPECT_EQ(said.back().text, "no newline at the end");
  EXPECT_EQ(said[said.size() - 2].text, "line 4999");
  EXPECT_FALSE(log.lines("engine_output_skipped").empty());
}

TEST_F(host_test, a_long_or_broken_line_is_cut_and_cleaned) {
  make_host(tools.script("long", "head -c 100000 /dev/zero | tr '\\0' x; echo; printf '\\377\\n'"));
  start(worker(), box);
  box.wait<engine_exited>();
  const auto said = log.lines("engine_output");
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[0].text, std::string(output_log::line_bytes_max, 'x'));
  EXPECT_EQ(said[1].text, "?");
}

TEST_F(host_test, what_the_engine_started_dies_with_it) {
  make_host(tools.script("parent", "sleep 1000 & echo $!; read nothing; exec sleep 0"));
  start(worker(), box);
  const auto pid = log.wait_for_output([](const std::string& t) { return !t.empty(); });
  const watched_process grandchild{static_cast<pid_t>(std::stol(pid))};
  box.wait<engine_exited>();
  EXPECT_TRUE(grandchild.ends());
}

} // namespace
} // namespace tayfa::test
