#include "cluster/program/serve.hpp"

#include "actors/supervisor.hpp"
#include "cluster/program/fleet/link_parts.hpp"
#include "cluster/program/runpod/one_shot.hpp"
#include "cluster/program/runpod/sdk_options.hpp"
#include "cluster/program/runpod/unhealthy_report.hpp"
#include "cluster/program/serve_parts.hpp"
#include "cluster/program/stop_button.hpp"
#include "cluster/program/store_command.hpp"
#include "runtime/access/key_gate.hpp"
#include "runtime/base/watched_time.hpp"
#include "runtime/config/flags.hpp"
#include "runtime/host/guard.hpp"
#include "runtime/host/process_engine_host.hpp"
#include "runtime/host/process_probe.hpp"
#include "runtime/host/process_start.hpp"
#include "runtime/host/signals.hpp"
#include "runtime/machine/machine_facts.hpp"
#include "runtime/machine/shares.hpp"
#include "runtime/model/file_source.hpp"
#include "runtime/telemetry/line_sink.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <mutex>
#include <sys/stat.h>

namespace tayfa {

namespace {

constexpr std::uint64_t files_unknown = 1'024;               // when the limit cannot be read
constexpr std::size_t test_file_max = std::size_t{64} << 20; // the API applies its own limit later

constexpr int try_later = 75;
constexpr std::size_t memory_least = std::size_t{192} << 20; ///< address space besides the threads'

/// Threads of a pod besides those that run actors: CAF's own two, HTTP, router, ZeroMQ's two,
/// spawner, store, webhooks, the platform's calls, signals, a check, models, and a few for name
/// lookups.
constexpr std::size_t other_threads = 16;

/// Checks the resources that the pod needs and whose exhaustion it would not survive.
result<void> try_resources(const serve_plan& plan) {
  bound_arenas();
  return try_threads(plan.knobs.pod_threads + other_threads, memory_least);
}

/// SIGUSR1 reopens the log files; all other signals stop the pod.
void on_signal(stop_button& button, int signal) {
  if (signal == SIGUSR1) {
    reopen_log_files();
  } else {
    button.press(signal);
  }
}

/// Event numbers continue after those of earlier runtimes, as well as the wall clock allows.
std::uint64_t event_base(const time_source& time) {
  const auto since_1970 = time.wall().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(std::chrono::duration_cast<milliseconds>(since_1970).count(), 0));
}

/// Reading the topology takes a moment, so it is done only when slots may be pinned.
slot_pinner pinner_from(const config& c) {
  const auto mode = pinning_from(c.engine_pin).value_or(pinning::off);
  if (mode == pinning::off || c.engine_slots == 0) {
    return {};
  }
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return {read_machine(), mode,
          visible == nullptr ? std::nullopt : std::optional<std::string>{visible}};
}

/// Scheduler policy "sharing", chosen by measurement: it uses no CPU when idle, and an actor yields
/// after 50 messages, so that one busy actor cannot starve the others.
caf::actor_system_config& pool(caf::actor_system_config& c, const config& knobs) {
  c.set("scheduler.policy", caf::atom("sharing"));
  c.set("scheduler.max-threads", static_cast<std::size_t>(knobs.pod_threads));
  c.set("scheduler.max-throughput", std::size_t{50});
  return c;
}

/// Prints to stdout, which is the log on RunPod.
void say(const std::string& line) {
  if (!line.empty()) {
    std::fprintf(stdout, "%s\n", line.c_str());
    std::fflush(stdout);
  }
}

void say(const std::vector<sdk_line>& lines, const serve_plan& plan) {
  for (const auto& line : lines) {
    if (line.level >= plan.log.level) {
      say(format_sdk_line(line, plan.on_endpoint));
    }
  }
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

int refuse_start(event_log& log, const error& e) {
  log.error("cannot_start", {{"code", e.code}, {"text", e.text}});
  return exit_code_for(e.code);
}

pod_exit live(const serve_plan& plan, const link_parts& links, world& outside,
              stop_button& button) {
  caf::actor_system_config system_config;
  caf::actor_system system{pool(system_config, plan.knobs)};
  auto stopped = std::make_shared<std::promise<pod_exit>>();
  auto future = stopped->get_future();
  {
    auto pod = system.spawn<supervisor>(
        pod_context{outside, plan.knobs},
        pod_terms{plan.engines, make_queue_state(plan.limits),
                  [stopped](pod_exit e) { stopped->set_value(std::move(e)); },
                  plan.runpod ? std::optional{runpod_terms{*plan.runpod}} : std::nullopt,
                  links.head, links.link});
    caf::anon_send(pod, start_pod{});
    button.connect(pod);
  }
  auto end = future.get();
  button.disconnect();
  if (const int code = exit_code_of(plan, end.code, 0); code != end.code) {
    outside.log.info("exit_code", {{"code", code}, {"instead_of", end.code}});
    end.code = code; // a test is judged after the pod has ended
  }
  outside.http.redirect(nullptr);
  if (!end.clean) {
    // The supervisor, root of the actor tree, died and its children are no longer supervised: exit,
    // and let the kernel end the engines (they die with this process).
    outside.log.error("stopped", {{"code", end.code}, {"reason", end.reason}});
    std::_Exit(end.code);
  }
  return end;
}

void log_created(const serve_plan& plan, event_log& lines, std::uint64_t open_files,
                 std::size_t connections) {
  lines.info("created", {{"version", TAYFA_VERSION},
                         {"pid", getpid()},
                         {"engine", plan.engines.names()},
                         {"slots", plan.knobs.engine_slots},
                         {"data", plan.knobs.pod_data},
                         {"allocator", allocator_name()},
                         {"open_files", open_files},
                         {"connections_max", connections}});
  if (connections < plan.knobs.http_connections_max) {
    lines.warn("note", {{"text", "http.connections_max is " +
                                     std::to_string(plan.knobs.http_connections_max) + ", and " +
                                     std::to_string(connections) +
                                     " are served: the others would take descriptors that the pod "
                                     "needs (ulimit -n)"}});
  }
  for (const auto& remark : plan.remarks) {
    lines.info("note", {{"text", remark}});
  }
}

/// The access gate. errc::bad_config when no key is needed at an address that others can reach.
result<std::unique_ptr<access::key_gate>> checked_gate(const config& c, const time_source& time,
                                                       secret_source& secrets, event_log& log) {
  const auto first = access::make_first_key(c, secrets);
  if (!first) {
    return fail(first.error());
  }
  if (*first) {
    // Not logged: logs are stored and forwarded.
    say("tayfa: API key of the operator, shown only now: " + **first);
    log.info("first_key", {{"file", access::keys_path(c)}});
  }
  auto gate = access::open_gate(c, time, log);
  if (!gate) {
    return gate;
  }
  if (auto allowed = access::may_listen(c, (*gate)->keys()); !allowed) {
    return fail(allowed.error());
  }
  return gate;
}

result<data_folder_lock> lock_data_folder(const serve_plan& plan, event_log& lines) {
  ::umask(077); // after the log was opened, whose file others may be meant to read
  auto lock = data_folder_lock::acquire(plan.knobs.pod_data, plan.knobs.pod_allow_shared_data);
  if (!lock) {
    return lock;
  }
  for (const auto& remark : lock->remarks()) {
    lines.warn("data_folder", {{"text", remark}});
  }
  if (plan.knobs.store_kind == "sqlite") {
    if (auto moved = moved_away(plan.knobs.pod_data)) {
      return fail(std::move(*moved));
    }
  }
  return lock;
}

/// Divides the file descriptors and logs the shares with the pod's first line.
result<descriptor_shares> descriptors_for(const serve_plan& plan, event_log& lines) {
  const auto files = raise_limits();
  auto shares = share_descriptors(needs_from(plan, files ? files->now : files_unknown));
  if (shares) {
    log_created(plan, lines, files ? files->now : 0, shares->connections);
  }
  return shares;
}

process_host_options host_from(const serve_plan& plan) {
  process_host_options host;
  host.program = plan.program;
  host.run_folder = plan.knobs.pod_data + "/run";
  host.pinner = pinner_from(plan.knobs);
  host.temporary = plan.knobs.engine_temporary;
  host.threads = plan.knobs.engine_threads;
  host.passed = plan.knobs.engine_environment.items();
  return host;
}

probe_options checks_from(const serve_plan& plan, const time_source& time,
                          const std::shared_ptr<unfit_note>& unfit) {
  probe_options checks{plan.program, plan.knobs.engine_check_budget};
  checks.passed = plan.knobs.engine_environment.items();
  checks.threads = plan.knobs.engine_threads;
  checks.time = &time;
  if (plan.fitness) {
    checks.extra = noting(system_checks(*plan.fitness, time), unfit);
  }
  return checks;
}

void log_pause(milliseconds paused, event_log& lines, metrics& meters) {
  meters.add(meter::pauses);
  meters.add(meter::paused_seconds, static_cast<double>(paused.count()) / 1000.0);
  lines.warn("runtime_was_paused", {{"ms", paused.count()}});
}

/// Builds the environment of one pod and runs the pod in it. `only`: replaces the HTTP server for
/// the one call of a local test.
int run_pod(const serve_plan& plan, stop_button& button, http_gateway* only) {
  auto log = make_log(plan.log);
  if (!log) {
    std::fprintf(stderr, "tayfa: %s\n", log.error().str().c_str());
    return exit_code_for(log.error().code);
  }
  auto& lines = **log;
  const auto lock = lock_data_folder(plan, lines);
  if (!lock) {
    return refuse_start(lines, lock.error());
  }
  const auto shares = descriptors_for(plan, lines);
  if (!shares) {
    return refuse_start(lines, shares.error());
  }
  auto engines = process_engine_host::make(host_from(plan), lines);
  if (!engines) {
    return refuse_start(lines, engines.error());
  }
  system_secrets secrets;
  metrics meters;
  watched_time time{[&](milliseconds paused) { log_pause(paused, lines, meters); }};
  seeded_random random;
  event_feed feed{event_feed::capacity_usual, event_base(time)}; // outlives the server's streams
  std::unique_ptr<access::key_gate> gate;
  std::optional<http_server> server;
  byte_budget answers{plan.knobs.http_answer_bytes};
  if (only == nullptr) {
    auto opened = checked_gate(plan.knobs, time, secrets, lines);
    if (!opened) {
      return refuse_start(lines, opened.error());
    }
    gate = std::move(*opened);
    auto options = http_from(plan.knobs, *shares, gate.get(), meters, lines, time);
    answers = options.answers; // the same budget for the makers of answers
    server.emplace(std::move(options));
  }
  http_gateway& http = only != nullptr ? *only : *server;
  const auto unfit = std::make_shared<unfit_note>();
  process_probe probe{checks_from(plan, time, unfit), lines};
  file_model_source models{plan.engines.kinds()};
  const auto store = make_store(plan.knobs, time, random, secrets);
  curl_poster post{poster_from(plan.knobs, shares->calls, time)};
  std::optional<curl_poster> platform; // a poster thread of its own, only for a RunPod worker
  if (plan.runpod) {
    platform.emplace(platform_poster_from(plan, time));
  }
  const auto links = make_link_parts(plan, time, lines, secrets, button);
  if (!links && links.error().code == errc::stopping) {
    lines.info("stopped", {{"text", links.error().text}});
    return 0;
  }
  if (!links) {
    return refuse_start(lines, links.error());
  }
  http_poster& calls = platform ? *platform : post;
  world outside{time,  random, secrets, lines, meters, **engines, http,
                probe, models, *store,  post,  feed,   calls,     answers};
  (*links)->add_to(outside);
  const int code = live(plan, **links, outside, button).code;
  if (const auto why = unfit->read(); why && plan.runpod && code != 0) {
    report_unhealthy(*plan.runpod, *why, *platform, lines);
  }
  return code;
}

/// Runs one job through a whole pod that has no listener.
int run_test(serve_plan plan) {
  const scratch_folder folder;
  if (folder.path().empty()) {
    std::fprintf(stderr, "tayfa: no folder for the test could be made in the place for temporary "
                         "files\n");
    return exit_code_for(errc::io_error);
  }
  plan.knobs.pod_data = folder.path();
  api::limits bounds;
  bounds.runsync_body_bytes = plan.knobs.http_runsync_body_max;
  bounds.endpoints = plan.knobs.http_endpoints.items();
  auto call = api::parse({"POST", "/runsync", "application/json", plan.test->body}, bounds);
  auto end = std::make_shared<std::promise<test_end>>();
  auto ended = end->get_future();
  stop_button button;
  const signal_watch signals{[&button](int signal) { on_signal(button, signal); }};
  if (!call) {
    const auto judged = judge_test(*plan.test, call.error());
    say(judged.lines, plan);
    return judged.exit_code;
  }
  if (auto* submit = std::get_if<api::submit>(&*call)) {
    submit->wait = job_policy::ttl_max; // the job's own limits end it sooner
  }
  one_shot_gateway gateway{std::move(*call), [&button, end, &plan](const api::response& answer) {
                             end->set_value(judge_test(*plan.test, answer));
                             button.press("the test has ended");
                           }};
  const int code = run_pod(plan, button, &gateway);
  std::optional<int> judged;
  if (ended.wait_for(std::chrono::seconds{0}) == std::future_status::ready) {
    const auto outcome = ended.get();
    say(outcome.lines, plan);
    judged = outcome.exit_code;
  }
  return exit_code_of(plan, code, judged);
}

} // namespace

std::string program_folder() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
}

int run_serve(const serve_plan& plan) {
  // First of all, and in this order: the guard forks, which needs a single thread.
  const auto beside = guard::start();
  const auto resources = try_resources(plan);
  if (!beside || !resources) {
    const auto& why = beside ? resources.error() : beside.error();
    std::fprintf(stderr, "tayfa: cannot start: %s\n", why.text.c_str());
    return exit_code_of(plan, try_later, std::nullopt);
  }
  say(plan.start_line);
  say(plan.test_lines, plan);
  system_secrets secrets;
  if (const auto there = try_secrets(secrets); !there) {
    std::fprintf(stderr, "tayfa: %s\n", there.error().str().c_str());
    return exit_code_for(there.error().code);
  }
  if (!plan.test) {
    stop_button button;
    const signal_watch signals{[&button](int signal) { on_signal(button, signal); }};
    return run_pod(plan, button, nullptr);
  }
  return run_test(plan);
}

int refuse_serve(const serve_refusal& refusal, const char* command) {
  say(refusal.start_line);
  for (const auto& line : refusal.lines) {
    say(format_sdk_line(line, refusal.on_endpoint));
  }
  if (refusal.lines.empty()) {
    std::fprintf(stderr, "tayfa %s: %s\n", command, refusal.why.text.c_str());
  }
  return refusal.exit_code.value_or(exit_code_for(refusal.why.code));
}

void add_serve_command(CLI::App& app, std::vector<std::string> environment, int& exit_code) {
  struct command {
    const char* name;
    const char* text;
  };
  constexpr command commands[] = {
      {"serve", "run a pod until it is stopped"},
      {"pod", "run jobs of a head (tayfa serve --link) in the slots of this machine"},
      {"worker", "do what runpod.serverless.start() does: serve RunPod's platform where its "
                 "variables are set, else run the job in ./test_input.json"}};
  for (const auto& [name, text] : commands) {
    auto request = std::make_shared<serve_request>();
    request->as_worker = std::string_view{name} == "worker";
    request->as_pod = std::string_view{name} == "pod";
    request->sources.environment = environment;
    auto* cmd = app.add_subcommand(name, text);
    add_config_flags(*cmd, request->sources.flags, request->sources.file);
    if (request->as_pod) {
      cmd->add_option(
          "--join", request->join,
          "join string of the head (tayfa link token), until the pod has joined; better "
          "in TAYFA_JOIN, which other users cannot read");
      cmd->add_option("--name", request->pod_name,
                      "name under which the pod joins; the machine's when it is left out");
    } else {
      add_sdk_flags(*cmd, request->sdk);
    }
    cmd->callback([request, &exit_code, name = name] {
      const auto plan =
          plan_serve(*request, {program_folder(), system_secrets{}.uuid(),
                                [] { return read_file_if_there("test_input.json", test_file_max); },
                                TAYFA_VERSION, host_name()});
      exit_code = plan ? run_serve(*plan) : refuse_serve(plan.error(), name);
    });
  }
}

} // namespace tayfa
