// The terminal and the signals that come from it.
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
/// A terminal that takes colours, and NO_COLOR (no-color.org) is not set.
bool terminal_takes_colour(int fd);

/// Ctrl-C, and changes of the terminal's size, as something to wait for. One at a time in a
/// process; what was there before is there again afterwards. A Ctrl-C that the parent has switched
/// off stays off.
class interrupts {
 public:
  enum class second : bool {
    leaves, ///< a second Ctrl-C ends the process with 130, whatever it waits for
    counts, ///< all are only counted; SIGTERM, SIGHUP and SIGWINCH come here as well
  };
  explicit interrupts(second);
  ~interrupts();
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  int fd() const { return pipe_[0]; } ///< readable when something came since clear()
  bool pending() const;               ///< something came since clear()
  void clear() const;
  int count() const; ///< times that somebody wants an end

 private:
  void install(int signal);

  static constexpr std::size_t signals_max = 4;
  int pipe_[2] = {-1, -1};
  int signals_[signals_max] = {};
  struct sigaction before_[signals_max] = {};
  std::size_t installed_ = 0;
};

/// The alternate screen, and keys without Enter, until destroyed. Nothing where there is no
/// terminal.
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

/// The key that was pressed, or 0. Only after full_screen.
char key_pressed();

void write_all(int fd, std::string_view text);

} // namespace tayfa
