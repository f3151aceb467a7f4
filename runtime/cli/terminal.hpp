// The terminal and its signals.
#pragma once

#include <csignal>
#include <cstddef>
#include <string_view>
#include <termios.h>

namespace tayfa {

struct terminal_size {
  std::size_t width = 0; ///< 0: no terminal
  std::size_t height = 0;
};
terminal_size size_of_terminal(int fd);
/// True for a terminal that supports colours, unless NO_COLOR is set (no-color.org).
bool terminal_takes_colour(int fd);

/// Turns Ctrl-C and changes of the terminal's size into a descriptor to wait on. One instance per
/// process at a time; the destructor restores the previous handlers. A Ctrl-C that the parent
/// process ignores stays ignored.
class interrupts {
 public:
  enum class second : bool {
    leaves, ///< a second Ctrl-C ends the process with 130, even while it is blocked
    counts, ///< all are only counted; SIGTERM, SIGHUP and SIGWINCH are handled as well
  };
  explicit interrupts(second);
  ~interrupts();
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  int fd() const { return pipe_[0]; } ///< readable after a signal since clear()
  bool pending() const;               ///< a signal came since clear()
  void clear() const;
  int count() const; ///< number of requests to end

 private:
  void install(int signal);

  static constexpr std::size_t signals_max = 4;
  int pipe_[2] = {-1, -1};
  int signals_[signals_max] = {};
  struct sigaction before_[signals_max] = {};
  std::size_t installed_ = 0;
};

/// Alternate screen and keys without Enter, until destroyed. No effect without a terminal.
class full_screen {
 public:
  full_screen();
  ~full_screen();
  full_screen(const full_screen&) = delete;
  full_screen& operator=(const full_screen&) = delete;

 private:
  bool screen_ = false;
  bool keys_ = false;
  termios before_{};
};

/// The pressed key, or 0. Only while full_screen exists.
char key_pressed();

void write_all(int fd, std::string_view text);

} // namespace tayfa
