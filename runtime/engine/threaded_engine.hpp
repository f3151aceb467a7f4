// Turns a blocking model into an engine: one compute thread runs the model, and the session's
// thread never waits for it.
//
// Calls go to the compute thread through a queue bounded by capacity(): one run at a time, of one
// attempt or of one batch; a cancelled attempt that is still queued ends at once. The model's
// reports come back through a bounded queue and an eventfd, and are emitted by wake() on the
// session's thread. A model that reports faster than the session reads is blocked (back-pressure);
// no report is dropped. An exception that escapes from the model ends the process: after a sticky
// device error nothing in this process can be trusted.
//
// Owner: one session. The destructor asks the running job to stop and waits for it; a process that
// cannot wait exits.
#pragma once

#include "runtime/base/wakeup.hpp"
#include "runtime/engine/engine.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

namespace tayfa::engine {

class threaded_engine final : public engine {
 public:
  /// Reads the model's properties once, before the compute thread exists.
  threaded_engine(sink&, const time_source&, std::unique_ptr<blocking_model>);
  ~threaded_engine() override;
  threaded_engine(const threaded_engine&) = delete;
  threaded_engine& operator=(const threaded_engine&) = delete;

  std::string kind() const override { return kind_; }
  std::string device() const override { return device_; }
  std::uint32_t capacity() const override { return batch_max_; }
  std::uint32_t batch_max() const override { return batch_max_; }
  std::uint64_t memory_bytes() const override { return memory_bytes_; }
  bool counts_steps() const override { return counts_steps_; }
  std::uint64_t steps() const override { return steps_.load(std::memory_order_relaxed); }
  std::uint64_t steps_of(const attempt_ref&) const override;

  void load(const protocol::load_model&) override;
  void start(const protocol::assign&) override;
  void start_batch(const std::vector<protocol::assign>&) override;
  void cancel(const attempt_ref&) override;
  std::uint32_t running() const override { return static_cast<std::uint32_t>(attempts_.size()); }

  void use_threads(std::uint32_t count) override;

  void wake(moment now) override;
  int wake_descriptor() const override { return wakeup_.get(); }

 private:
  struct attempt_state {
    cancel_token cancelled;
    std::atomic<std::uint64_t> steps{0};
  };
  struct member {
    protocol::assign message;
    std::shared_ptr<attempt_state> state;
  };
  using batch = std::vector<member>;
  using command = std::variant<protocol::load_model, batch, protocol::use_threads>;
  class events_of_run;

  void give(command);
  member take(const protocol::assign&);
  bool withdraw(const attempt_ref&);
  void compute() noexcept;
  void do_load(const protocol::load_model&);
  void do_run(const batch&);
  void push(protocol::upstream);

  sink& out_;
  const time_source& time_;
  std::unique_ptr<blocking_model> model_;
  std::string kind_;
  std::string device_;
  std::uint64_t memory_bytes_ = 0;
  bool counts_steps_ = false;
  unique_fd wakeup_ = make_wakeup();

  // The session's thread only.
  std::uint32_t batch_max_ = 1;
  std::map<attempt_ref, std::shared_ptr<attempt_state>> attempts_;

  std::atomic<std::uint64_t> steps_{0};

  std::mutex mutex_;
  std::condition_variable changed_; ///< a command arrived, room in events_, or stop_
  std::deque<command> queue_;
  std::deque<protocol::upstream> events_;
  bool stop_ = false;

  std::thread thread_; ///< last: everything it uses exists before it
};

} // namespace tayfa::engine
