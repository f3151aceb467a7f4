#include "runtime/host/signals.hpp"

#include "runtime/host/data_folder.hpp"
#include "runtime/host/descendants.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <string_view>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

namespace tayfa {

namespace fs = std::filesystem;

signal_watch::signal_watch(std::function<void(int)> on_signal) : on_signal_(std::move(on_signal)) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    struct sigaction before {};
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
      sigaddset(&set, signal);
    }
  }
  ::signal(SIGCHLD, SIG_DFL); // if it were ignored, exit statuses of our own children would be lost
  sigaddset(&set, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) {
    throw std::system_error(errno, std::generic_category(), "signalfd");
  }
  thread_ = std::thread([this] { loop(); });
}

signal_watch::~signal_watch() {
  wake_up(closing_);
  thread_.join();
}

void signal_watch::loop() {
  for (;;) {
    pollfd polled[] = {{signals_.get(), POLLIN, 0}, {closing_.get(), POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) {
      return;
    }
    if (polled[1].revents != 0) {
      return;
    }
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo == SIGCHLD) {
        reap_strangers();
      } else {
        on_signal_(static_cast<int>(info.ssi_signo));
      }
    }
  }
}

namespace {

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const auto got = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string pid;
  for (ssize_t i = 0; i < got && text[static_cast<std::size_t>(i)] >= '0' &&
                      text[static_cast<std::size_t>(i)] <= '9';
       ++i) {
    pid += text[static_cast<std::size_t>(i)];
  }
  return pid.empty() ? "an unknown process" : "process " + pid;
}

} // namespace

result<data_folder_lock> data_folder_lock::acquire(const std::string& folder, bool allow_shared) {
  std::error_code failed;
  if (fs::create_directories(folder, failed)) {
    fs::permissions(folder, fs::perms::owner_all, failed);
  }
  if (!fs::is_directory(folder, failed)) {
    return fail(errc::io_error, "the data folder " + folder + " cannot be made" +
                                    (failed ? ": " + failed.message() : ""));
  }
  auto remarks = secure_data_folder(folder, allow_shared);
  if (!remarks) {
    return fail(remarks.error());
  }
  const auto path = folder + "/lock";
  unique_fd file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) {
    return fail(errc::io_error, path + ": " + std::strerror(errno));
  }
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? fail(errc::store_locked, holder_of(file.get()) + " holds " + path)
                                : fail(errc::io_error, path + ": " + std::strerror(errno));
  }
  const auto pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail(errc::io_error, path + ": " + std::strerror(errno));
  }
  return data_folder_lock{std::move(file), std::move(*remarks)};
}

result<open_file_limit> raise_limits() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fail(errc::io_error, std::string{"getrlimit: "} + std::strerror(errno));
  }
  const auto before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (before != limit.rlim_max && ::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fail(errc::io_error, std::string{"setrlimit: "} + std::strerror(errno));
  }
  return open_file_limit{before, limit.rlim_cur};
}

std::string allocator_name() {
  constexpr std::array<std::pair<const char*, const char*>, 4> marks{
      {{"MallocExtension_ReleaseFreeMemory", "tcmalloc"},
       {"tc_version", "tcmalloc"},
       {"mallctl", "jemalloc"},
       {"mi_version", "mimalloc"}}};
  for (const auto& [symbol, name] : marks) {
    if (::dlsym(RTLD_DEFAULT, symbol) != nullptr) {
      return name;
    }
  }
  return "system";
}

} // namespace tayfa
