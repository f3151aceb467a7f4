#include "runtime/cli/terminal.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace tayfa {

namespace {

constexpr int exit_interrupted_now = 130;

// State shared with the signal handler.
std::atomic<int> interruptions{0};
std::atomic<int> wake_fd{-1};
std::atomic<bool> second_leaves{false};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int number) {
  const int kept = errno;
  if (number != SIGWINCH && ++interruptions >= 2 && second_leaves) {
    [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, "\n", 1);
    ::_exit(exit_interrupted_now);
  }
  // If the pipe is full, the waiting thread has been woken already.
  [[maybe_unused]] const auto written = ::write(wake_fd, "!", 1);
  errno = kept;
}

} // namespace

terminal_size size_of_terminal(int fd) {
  if (::isatty(fd) != 1) {
    return {};
  }
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    return {80, 24};
  }
  return {size.ws_col, size.ws_row};
}

bool terminal_takes_colour(int fd) {
  const char* const refused = std::getenv("NO_COLOR");
  const char* const kind = std::getenv("TERM");
  return ::isatty(fd) == 1 && (refused == nullptr || *refused == '\0') &&
         (kind == nullptr || std::strcmp(kind, "dumb") != 0);
}

interrupts::interrupts(second rule) {
  if (::pipe2(pipe_, O_CLOEXEC | O_NONBLOCK) != 0) {
    return; // Ctrl-C keeps its previous effect
  }
  interruptions = 0;
  second_leaves = rule == second::leaves;
  wake_fd = pipe_[1];
  install(SIGINT);
  if (rule == second::counts) {
    install(SIGTERM);
    install(SIGHUP);
    install(SIGWINCH);
  }
}

void interrupts::install(int signal) {
  struct sigaction action {};
  action.sa_handler = &on_signal;
  ::sigemptyset(&action.sa_mask);
  struct sigaction& old = before_[installed_];
  ::sigaction(signal, nullptr, &old);
  if (old.sa_handler != SIG_IGN && ::sigaction(signal, &action, nullptr) == 0) {
    signals_[installed_++] = signal;
  }
}

interrupts::~interrupts() {
  for (std::size_t i = 0; i < installed_; ++i) {
    ::sigaction(signals_[i], &before_[i], nullptr);
  }
  wake_fd = -1;
  for (const int each : pipe_) {
    if (each >= 0) {
      ::close(each);
    }
  }
}

bool interrupts::pending() const {
  pollfd in{pipe_[0], POLLIN, 0};
  return ::poll(&in, 1, 0) == 1;
}

void interrupts::clear() const {
  char block[64];
  while (pipe_[0] >= 0 && ::read(pipe_[0], block, sizeof block) > 0) {
  }
}

int interrupts::count() const {
  return interruptions;
}

full_screen::full_screen() {
  if (::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VSUSP] = _POSIX_VDISABLE; // a stopped process would leave the alternate screen behind
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    keys_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  if (::isatty(STDOUT_FILENO) == 1) {
    screen_ = true;
    write_all(STDOUT_FILENO, "\x1b[?1049h\x1b[?25l\x1b[?7l");
  }
}

full_screen::~full_screen() {
  if (screen_) {
    write_all(STDOUT_FILENO, "\x1b[?7h\x1b[?25h\x1b[?1049l");
  }
  if (keys_) {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
}

char key_pressed() {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  char key = 0;
  return ::poll(&in, 1, 0) == 1 && ::read(STDIN_FILENO, &key, 1) == 1 ? key : '\0';
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (written < 0 && errno != EINTR) {
      return;
    }
  }
}

} // namespace tayfa
