#include "cluster/program/serve.hpp"

#include "actors/supervisor.hpp"
#include "runtime/config/flags.hpp"
#include "runtime/host/process_engine_host.hpp"
#include "runtime/host/process_probe.hpp"
#include "runtime/host/signals.hpp"
#include "runtime/http/curl_poster.hpp"
#include "runtime/http/server.hpp"
#include "runtime/http/url_guard.hpp"
#include "runtime/model/file_source.hpp"
#include "runtime/store/memory_store.hpp"
#include "runtime/store/sqlite_store.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <mutex>

namespace tayfa {

namespace {

/// Carries signals to the supervisor, also those that come before there is one.
class stop_button {
 public:
  void press(int signal) {
    const auto reason = signal == SIGTERM ? "SIGTERM" : signal == SIGINT ? "SIGINT" : "SIGHUP";
    const std::lock_guard guard{mutex_};
    if (target_) {
      caf::anon_send(target_, stop_pod{reason});
    } else {
      early_.emplace_back(reason);
    }
  }
  void connect(const supervisor_actor& target) {
    const std::lock_guard guard{mutex_};
    target_ = target;
    for (auto& reason : early_) {
      caf::anon_send(target_, stop_pod{std::move(reason)});
    }
    early_.clear();
  }
  void disconnect() {
    const std::lock_guard guard{mutex_};
    target_ = nullptr;
  }

 private:
  std::mutex mutex_;
  supervisor_actor target_;
  std::vector<std::string> early_;
};

/// Event numbers go on from those of earlier runtimes, as well as the wall clock allows.
std::uint64_t event_base(const time_source& time) {
  const auto since_1970 = time.wall().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(std::chrono::duration_cast<milliseconds>(since_1970).count(), 0));
}

address_guard guard_from(const config& c) {
  auto blocks = parse_blocks(c.webhook_allow_private.items()); // checked with the rest
  return blocks ? address_guard{std::move(*blocks)} : address_guard{};
}

http_options http_from(const config& c, metrics& meters, event_log& log) {
  http_options o;
  o.listen = c.http_listen;
  o.api.run_body_bytes = c.http_run_body_max;
  o.api.runsync_body_bytes = c.http_runsync_body_max;
  o.api.runsync_wait = c.http_runsync_wait;
  o.api.endpoints = c.http_endpoints.items();
  o.api.webhook_allowed = [guard = guard_from(c)](const std::string& url) -> result<void> {
    const auto judged = guarded_url(url, guard);
    return judged ? result<void>{} : fail(judged.error());
  };
  o.connections_max = c.http_connections_max;
  o.streams_max = std::max<std::size_t>(c.http_connections_max / 2, 1); // leaves room for questions
  o.header_timeout = c.http_header_timeout;
  o.body_timeout = c.http_body_timeout;
  o.idle_timeout = c.http_idle_timeout;
  o.answered = [&meters](unsigned status) {
    if (status >= 400) {
      meters.add(meter::http_refused);
    }
  };
  o.trouble = [&log](const error& e) {
    log.warn("http_trouble", {{"code", e.code}, {"text", e.text}});
  };
  return o;
}

/// Reading the machine takes a moment, so it is done only when somebody may be pinned.
slot_pinner pinner_from(const config& c) {
  const auto mode = pinning_from(c.engine_pin).value_or(pinning::off);
  if (mode == pinning::off || c.engine_slots == 0) {
    return {};
  }
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return {read_machine(), mode,
          visible == nullptr ? std::nullopt : std::optional<std::string>{visible}};
}

/// The thread pool "sharing" is measured: nothing burnt when idle, and one hot actor cannot starve
/// the others when it gives way after 50 messages.
caf::actor_system_config& pool(caf::actor_system_config& c, const config& knobs) {
  c.set("scheduler.policy", caf::atom("sharing"));
  c.set("scheduler.max-threads", static_cast<std::size_t>(knobs.pod_threads));
  c.set("scheduler.max-throughput", std::size_t{50});
  return c;
}

std::unique_ptr<job_store> make_store(const config& c, const time_source& time) {
  if (c.store_kind == "memory") {
    return std::make_unique<store::memory_store>();
  }
  store::sqlite_store_options o;
  o.folder = c.pod_data + "/store";
  return std::make_unique<store::sqlite_store>(time, std::move(o));
}

poster_options poster_from(const config& c) {
  poster_options o;
  o.guard = guard_from(c);
  return o;
}

int refuse_start(event_log& log, const error& e) {
  log.error("cannot_start", {{"code", e.code}, {"text", e.text}});
  return exit_code_for(e.code);
}

pod_exit live(const serve_plan& plan, world& outside, stop_button& button) {
  caf::actor_system_config system_config;
  caf::actor_system system{pool(system_config, plan.knobs)};
  auto stopped = std::make_shared<std::promise<pod_exit>>();
  auto future = stopped->get_future();
  {
    auto pod = system.spawn<supervisor>(
        pod_context{outside, plan.knobs},
        pod_terms{plan.engine, std::make_shared<queue_books>(plan.limits),
                  [stopped](pod_exit e) { stopped->set_value(std::move(e)); }});
    caf::anon_send(pod, start_pod{});
    button.connect(pod);
  }
  auto end = future.get();
  button.disconnect();
  outside.http.redirect(nullptr);
  if (!end.clean) {
    // The root of the tree is gone and its children are not watched any more: leave, and let the
    // kernel take them (engines die with this process).
    outside.log.error("stopped", {{"code", end.code}, {"reason", end.reason}});
    std::_Exit(end.code);
  }
  return end;
}

} // namespace

std::string program_folder() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
}

int run_serve(const serve_plan& plan) {
  stop_button button;
  const signal_watch signals{[&button](int signal) { button.press(signal); }}; // before any thread
  auto log = make_log(plan.log);
  if (!log) {
    std::fprintf(stderr, "tayfa: %s\n", log.error().str().c_str());
    return exit_code_for(log.error().code);
  }
  auto& lines = **log;
  const auto lock = data_folder_lock::acquire(plan.knobs.pod_data);
  if (!lock) {
    return refuse_start(lines, lock.error());
  }
  const auto files = raise_limits();
  lines.info("created", {{"version", TAYFA_VERSION},
                         {"pid", getpid()},
                         {"engine", plan.engine},
                         {"slots", plan.knobs.engine_slots},
                         {"data", plan.knobs.pod_data},
                         {"allocator", allocator_name()},
                         {"open_files", files ? files->now : 0}});
  process_host_options host;
  host.program = plan.program;
  host.run_folder = plan.knobs.pod_data + "/run";
  host.pinner = pinner_from(plan.knobs);
  auto engines = process_engine_host::make(std::move(host), lines);
  if (!engines) {
    return refuse_start(lines, engines.error());
  }
  system_time time;
  seeded_random random;
  metrics meters;
  event_feed feed{event_feed::capacity_usual, event_base(time)}; // outlives the server's streams
  http_server http{http_from(plan.knobs, meters, lines)};
  process_probe probe{probe_options{plan.program, plan.knobs.engine_check_budget}, lines};
  file_model_source models;
  const auto store = make_store(plan.knobs, time);
  curl_poster post{poster_from(plan.knobs)};
  world outside{time, random, lines, meters, **engines, http, probe, models, *store, post, feed, post};
  return live(plan, outside, button).code;
}

void add_serve_command(CLI::App& app, std::vector<std::string> environment, int& exit_code) {
  auto sources = std::make_shared<config_sources>();
  sources->environment = std::move(environment);
  auto* cmd = app.add_subcommand("serve", "run a pod until it is told to stop");
  add_config_flags(*cmd, sources->flags, sources->file);
  cmd->callback([sources, &exit_code] {
    const auto loaded = load_config(*sources);
    const auto on_runpod = std::any_of(
        sources->environment.begin(), sources->environment.end(),
        [](const std::string& entry) { return entry.starts_with("RUNPOD_ENDPOINT_ID="); });
    const auto plan = loaded ? plan_serve(loaded->values, {program_folder(), on_runpod})
                             : result<serve_plan>{fail(loaded.error())};
    if (!plan) {
      std::fprintf(stderr, "tayfa serve: %s\n", plan.error().text.c_str());
      exit_code = exit_code_for(plan.error().code);
      return;
    }
    exit_code = run_serve(*plan);
  });
}

} // namespace tayfa
