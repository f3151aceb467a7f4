#include "runtime/host/process_engine_host.hpp"

#include "runtime/host/descendants.hpp"
#include "runtime/host/leftovers.hpp"
#include "runtime/host/temporary_folder.hpp"
#include "runtime/machine/thread_share.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace tayfa {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t path_max = sizeof(sockaddr_un::sun_path) - 1;

/// Numbered, as several hosts in one process (tests) need separate sockets.
std::string next_stem() {
  static std::atomic<unsigned> made{0};
  const auto number = made.fetch_add(1);
  const auto stem = "engines-" + std::to_string(::getpid());
  return number == 0 ? stem : stem + "-" + std::to_string(number);
}

std::string absolute(const std::string& path) {
  std::error_code failed;
  const auto out = fs::absolute(path, failed);
  return failed ? path : out.string();
}

/// The folder of the engines' temporary folders: next to the socket, or in a place that other users
/// may share.
result<std::string> make_temporary(const std::string& stem, const std::string& place) {
  if (place.empty()) {
    auto folder = absolute(stem + ".tmp");
    remove_tree(folder); // left by a dead runtime with the same pid
    const auto made = make_private_folder(folder);
    const bool full = !made && made.error().code == errc::storage_full;
    return made ? result<std::string>{std::move(folder)}
                : fail(full ? errc::unavailable : made.error().code, made.error().text);
  }
  std::error_code failed;
  fs::create_directories(place, failed);
  auto folder = absolute(place) + "/" + std::string{temporary_prefix} + "XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    return fail(errc::bad_config, "engine.temporary: no folder can be made in " + place + ": " +
                                      std::strerror(errno));
  }
  return folder;
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
    auto temporary = make_temporary(stem, options.temporary);
    if (!temporary) {
      return fail(std::move(temporary.error()));
    }
    return std::unique_ptr<process_engine_host>(
        new process_engine_host(options, stem, std::move(*temporary), log));
  } catch (const std::exception& e) {
    return fail(errc::io_error, stem + ".sock: " + e.what());
  }
}

process_engine_host::process_engine_host(const process_host_options& options,
                                         const std::string& stem, std::string temporary,
                                         event_log& log)
    : log_(log), threads_asked_(options.threads), passed_(options.passed),
      socket_path_(stem + ".sock"), pid_file_(stem + ".pids"), temporary_(std::move(temporary)),
      router_("ipc://" + socket_path_, options.settle, log),
      spawner_({options.program, "ipc://" + socket_path_, pid_file_, options.pinner, temporary_,
                [this](const engine_spec& spec, std::uint32_t pinned) {
                  return first_share(spec, pinned);
                },
                options.passed, options.end_wait},
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
  remove_tree(temporary_);
}

void process_engine_host::start(engine_spec spec, engine_sink sink) {
  bool fresh = false;
  {
    const std::lock_guard guard{mutex_};
    fresh = known_.try_emplace(spec.worker).second;
  }
  if (!fresh) {
    log_.error("engine_started_twice", {{"worker", spec.worker}});
    sink(engine_exited{spec.worker, false, 0, 0, "this incarnation runs already"});
    return;
  }
  if (const auto there = restore_socket(); !there) {
    {
      const std::lock_guard guard{mutex_};
      known_.erase(spec.worker);
    }
    log_.error("run_folder_lost", {{"code", there.error().code}, {"text", there.error().text}});
    sink(engine_exited{spec.worker, false, 0, 0, there.error().text});
    return;
  }
  router_.add(spec.worker, std::move(sink));
  spawner_.start(std::move(spec));
}

/// A cleaner of old files may have removed the socket, or its whole folder: new engines could not
/// connect then.
result<void> process_engine_host::restore_socket() {
  struct stat about {};
  if (::lstat(socket_path_.c_str(), &about) == 0 && S_ISSOCK(about.st_mode)) {
    return {};
  }
  const auto folder = fs::path{socket_path_}.parent_path().string();
  if (auto made = make_private_folder(folder); !made) {
    return fail(errc::io_error, "the run folder is gone: " + made.error().text);
  }
  mark_home(folder);
  if (auto bound = router_.bind_again("ipc://" + socket_path_); !bound) {
    return fail(errc::io_error, "the engines' socket is gone and cannot be made again: " +
                                    socket_path_ + ": " + bound.error().text);
  }
  ::chmod(socket_path_.c_str(), S_IRUSR | S_IWUSR);
  log_.warn("run_folder_restored", {{"socket", socket_path_}});
  return {};
}

// ---- shares of the CPU time --------------------------------------------------------------------

std::uint32_t process_engine_host::threads_for(std::uint32_t slots, std::uint32_t pinned) const {
  const thread_wish wish{threads_asked_,
                         value_for_child("OMP_NUM_THREADS", own_environment(), passed_)};
  return threads_of_engine(wish, read_cpu_room(), slots, pinned);
}

std::uint32_t process_engine_host::first_share(const engine_spec& spec, std::uint32_t pinned) {
  const std::lock_guard guard{mutex_};
  const auto threads = threads_for(slots_ > 0 ? slots_ : spec.slots, pinned);
  if (const auto found = known_.find(spec.worker); found != known_.end()) {
    found->second.threads = threads;
    found->second.pinned = pinned;
  }
  return threads;
}

/// Called with the mutex held.
void process_engine_host::send_share(const worker_ref& worker, share& given) {
  if (slots_ == 0 || given.threads == 0 || !given.reachable) {
    return;
  }
  if (const auto now = threads_for(slots_, given.pinned); now != given.threads) {
    given.threads = now;
    log_.info("engine_threads", {{"worker", worker}, {"threads", now}});
    router_.send(worker, protocol::use_threads{now});
  }
}

void process_engine_host::share_among(std::uint32_t slots) {
  const std::lock_guard guard{mutex_};
  slots_ = slots;
  for (auto& [worker, given] : known_) {
    send_share(worker, given);
  }
}

void process_engine_host::send(const worker_ref& worker, protocol::downstream message) {
  const bool first = std::holds_alternative<protocol::welcome>(message);
  router_.send(worker, message);
  if (first) { // it is connected; the number of slots may have changed while it started
    const std::lock_guard guard{mutex_};
    if (const auto found = known_.find(worker); found != known_.end()) {
      found->second.reachable = true;
      send_share(worker, found->second);
    }
  }
}

void process_engine_host::kill(const worker_ref& worker, int signal) {
  spawner_.kill(worker, signal);
}

} // namespace tayfa
