// Shared by the host tests: a recording log, a queue of engine events that can be waited for, a
// temporary folder.
#pragma once

#include "runtime/host/process_engine_host.hpp"
#include "tests/support/places.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace tayfa::test {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// Far above anything expected, so that only a real hang reaches it.
inline constexpr auto patience = 60s;

class remembering_log final : public event_log {
 public:
  struct line {
    log_level level;
    std::string event;
    std::string text; ///< from the field "line"
  };
  bool enabled(log_level) const override { return true; }
  void write(log_level level, std::string_view event, std::span<const log_field> fields) override {
    line l{level, std::string{event}, {}};
    for (const auto& f : fields) {
      if (f.key == "line") {
        if (const auto* view = std::get_if<std::string_view>(&f.value.get())) {
          l.text = *view;
        }
      }
    }
    const std::lock_guard guard{mutex_};
    lines_.push_back(std::move(l));
    changed_.notify_all();
  }
  std::vector<line> lines(const std::string& event) {
    const std::lock_guard guard{mutex_};
    std::vector<line> out;
    for (const auto& l : lines_) {
      if (l.event == event) {
        out.push_back(l);
      }
    }
    return out;
  }
  bool wait_for(const std::string& event) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, patience, [&] {
      return std::any_of(lines_.begin(), lines_.end(),
                         [&](const line& l) { return l.event == event; });
    });
  }
  /// The text of the first engine_output line that `wanted` accepts.
  std::string wait_for_output(const std::function<bool(const std::string&)>& wanted) {
    std::unique_lock lock{mutex_};
    std::string found;
    const bool came = changed_.wait_for(lock, patience, [&] {
      for (const auto& l : lines_) {
        if (l.event == "engine_output" && wanted(l.text)) {
          found = l.text;
          return true;
        }
      }
      return false;
    });
    EXPECT_TRUE(came);
    return found;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<line> lines_;
};

class event_box {
 public:
  engine_sink sink() {
    return [this](engine_event e) {
      const std::lock_guard guard{mutex_};
      events_.push_back(std::move(e));
      changed_.notify_all();
    };
  }
  std::vector<engine_event> events() {
    const std::lock_guard guard{mutex_};
    return events_;
  }
  /// The n-th event (from 1) of that kind, once it has come.
  template <class Event>
  Event wait(std::size_t n = 1) {
    return wait_where<Event>([](const Event&) { return true; }, n);
  }
  template <class Body>
  Body wait_frame(std::size_t n = 1) {
    const auto frame = wait_where<engine_frame>(
        [](const engine_frame& f) { return std::holds_alternative<Body>(f.body); }, n);
    const auto* body = std::get_if<Body>(&frame.body);
    return body == nullptr ? Body{} : *body;
  }

 private:
  template <class Event, class Wanted>
  Event wait_where(Wanted wanted, std::size_t n) {
    std::unique_lock lock{mutex_};
    Event found;
    const bool came = changed_.wait_for(lock, patience, [&] {
      std::size_t seen = 0;
      for (const auto& e : events_) {
        const auto* event = std::get_if<Event>(&e);
        if (event != nullptr && wanted(*event) && ++seen == n) {
          found = *event;
          return true;
        }
      }
      return false;
    });
    EXPECT_TRUE(came) << "the event did not come";
    return found;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<engine_event> events_;
};

class folder {
 public:
  folder() {
    std::string name = "/tmp/tayfa-host-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator{path_}) {
      out.push_back(entry.path().filename());
    }
    return out;
  }
  /// An executable shell script.
  std::string script(const std::string& name, const std::string& body) const {
    const auto file = path_ + "/" + name;
    std::ofstream{file} << "#!/bin/sh\n" << body << "\n";
    ::chmod(file.c_str(), 0700);
    return file;
  }

 private:
  std::string path_;
};

/// Waits for a process that need not be our child.
class watched_process {
 public:
  explicit watched_process(pid_t pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  bool opened() const { return static_cast<bool>(fd_); }
  bool ends() const {
    pollfd p{fd_.get(), POLLIN, 0};
    return !fd_ || ::poll(&p, 1, 60'000) > 0;
  }

 private:
  unique_fd fd_;
};

inline const std::string engine_program = in_build("/tayfa-engine");

} // namespace tayfa::test
