#include "runtime/host/process_engine_host.hpp"

#include "runtime/host/descendants.hpp"
#include "runtime/host/leftovers.hpp"

#include <atomic>
#include <filesystem>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace tayfa {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t path_max = sizeof(sockaddr_un::sun_path) - 1;

/// Several hosts in one process (tests) must not take each other's socket.
std::string next_stem() {
  static std::atomic<unsigned> made{0};
  const auto number = made.fetch_add(1);
  const auto stem = "engines-" + std::to_string(::getpid());
  return number == 0 ? stem : stem + "-" + std::to_string(number);
}

} // namespace

result<std::unique_ptr<process_engine_host>> process_engine_host::make(process_host_options options,
                                                                       event_log& log) {
  const auto stem = options.run_folder + "/" + next_stem();
  if (stem.size() + 5 > path_max) {
    return fail(errc::bad_config, "the run folder's path is too long for a socket: " + stem +
                                      ".sock has " + std::to_string(stem.size() + 5) + " bytes, " +
                                      std::to_string(path_max) + " are allowed");
  }
  std::error_code failed;
  if (fs::create_directories(options.run_folder, failed)) {
    fs::permissions(options.run_folder, fs::perms::owner_all, failed);
  }
  if (!fs::is_directory(options.run_folder, failed)) {
    return fail(errc::io_error, "the run folder cannot be made: " + options.run_folder);
  }
  mark_home(options.run_folder);
  remove_leftovers(options.run_folder, log);
  try {
    return std::unique_ptr<process_engine_host>(
        new process_engine_host(options, stem + ".sock", stem + ".pids", log));
  } catch (const std::exception& e) {
    return fail(errc::io_error, stem + ".sock: " + e.what());
  }
}

process_engine_host::process_engine_host(const process_host_options& options,
                                         std::string socket_path, std::string pid_file,
                                         event_log& log)
    : log_(log), socket_path_(std::move(socket_path)), pid_file_(std::move(pid_file)),
      router_("ipc://" + socket_path_, options.settle, log),
      spawner_({options.program, "ipc://" + socket_path_, pid_file_, options.pinner, options.passed,
                options.end_wait},
               {[this](const engine_spawned& e) { router_.spawned(e); },
                [this](const engine_exited& e) {
                  {
                    const std::lock_guard guard{mutex_};
                    known_.erase(e.worker);
                  }
                  router_.exited(e);
                }},
               log) {
  ::chmod(socket_path_.c_str(), S_IRUSR | S_IWUSR);
}

process_engine_host::~process_engine_host() {
  spawner_.stop();
  router_.stop();
  ::unlink(socket_path_.c_str());
  ::unlink(pid_file_.c_str());
}

void process_engine_host::start(engine_spec spec, engine_sink sink) {
  bool fresh = false;
  {
    const std::lock_guard guard{mutex_};
    fresh = known_.insert(spec.worker).second;
  }
  if (!fresh) {
    log_.error("engine_started_twice", {{"worker", spec.worker}});
    sink(engine_exited{spec.worker, false, 0, 0, "this incarnation runs already"});
    return;
  }
  router_.add(spec.worker, std::move(sink));
  spawner_.start(std::move(spec));
}

void process_engine_host::send(const worker_ref& worker, protocol::downstream message) {
  router_.send(worker, message);
}

void process_engine_host::kill(const worker_ref& worker, int signal) {
  spawner_.kill(worker, signal);
}

} // namespace tayfa
