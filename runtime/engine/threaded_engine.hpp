// An engine out of a model that blocks: one compute thread runs the model, the session's thread
// never waits for it.
//
// Calls go to the compute thread through one slot (capacity is 1: there is never a second one
// waiting); what the model says comes back through a bounded queue and an eventfd, and is emitted
// by wake() on the session's thread. A model that talks faster than the session reads is held up,
// not dropped. An exception that escapes from the model ends the process: after a sticky device
// error nothing in this process can be trusted.
//
// Owner: one session. The destructor asks the running job to stop and waits for it; a process that
// cannot wait exits.
#pragma once

#include "runtime/engine/engine.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

namespace tayfa::engine {

class threaded_engine final : public engine {
 public:
  /// kind() and device() are asked here, once, before the compute thread exists.
  threaded_engine(sink&, const time_source&, std::unique_ptr<blocking_model>);
  ~threaded_engine() override;
  threaded_engine(const threaded_engine&) = delete;
  threaded_engine& operator=(const threaded_engine&) = delete;

  std::string kind() const override { return kind_; }
  std::string device() const override { return device_; }
  std::uint32_t capacity() const override { return 1; }

  void load(const protocol::load_model&) override;
  void start(const protocol::assign&) override;
  void cancel(const attempt_ref&) override;
  std::uint32_t running() const override { return current_ ? 1 : 0; }

  void wake(moment now) override;
  int wake_descriptor() const override { return wake_fd_; }

 private:
  struct job {
    protocol::assign message;
    std::shared_ptr<cancel_token> cancelled;
  };
  using command = std::variant<protocol::load_model, job>;
  class events_of_run;

  void give(command);
  void compute() noexcept;
  void do_load(const protocol::load_model&);
  void do_run(const job&);
  void push(protocol::upstream);

  sink& out_;
  const time_source& time_;
  std::unique_ptr<blocking_model> model_;
  std::string kind_;
  std::string device_;
  int wake_fd_ = -1;

  // The session's thread only.
  std::optional<attempt_ref> current_;
  std::shared_ptr<cancel_token> current_cancel_;

  std::mutex mutex_;
  std::condition_variable changed_; ///< a command came, room in events_, or stop_
  std::optional<command> command_;
  std::deque<protocol::upstream> events_;
  bool stop_ = false;

  std::thread thread_; ///< last: everything it uses exists before it
};

} // namespace tayfa::engine
