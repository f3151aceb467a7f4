// A head reads other heads' jobs here, calls them, and is called by them: calls are rows of the
// table `calls`, in the database that all of them have.
//
// A thread with a connection of its own works in rounds: all that was asked for since the last one
// goes to the database together. A notification wakes it, and so does what this process asks; the
// table is read every `poll` all the same, because notifications get lost with a connection.
// NOTIFY takes a lock that all commits of the database share, so rounds have a pause between them,
// and no path of a job's life comes here.
//
// The table is not logged: a crash of the database loses calls, and their callers are refused.
// Owned by postgres_store. Thread safe; callbacks come from its thread, those of stop() excepted:
// what has no end by then gets none.
#pragma once

#include "runtime/base/unique_fd.hpp"
#include "runtime/base/wakeup.hpp"
#include "runtime/store/pg/pg_head.hpp"
#include "runtime/store/shared_store.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tayfa::store {

class pg_exchange {
 public:
  struct settings {
    std::string schema{};
    std::chrono::milliseconds connect{5'000};  ///< for each host
    std::chrono::milliseconds patience{2'000}; ///< until a read is refused
    std::chrono::milliseconds poll{1'000};
    std::chrono::milliseconds pause{20}; ///< between rounds
    std::size_t most = 1'000;            ///< that are asked for at the same time
  };

  pg_exchange(const pg_address&, const time_source&, settings);
  ~pg_exchange() { stop(); }
  pg_exchange(const pg_exchange&) = delete;
  pg_exchange& operator=(const pg_exchange&) = delete;

  /// From then on there is a head to speak for.
  void begin(pg_head::identity);
  void stop();

  void find(const job_id&, shared_store::find_done);
  void find(const job_key&, shared_store::find_done);
  void others(std::function<void(result<std::vector<head_view>>)>);
  void call(std::int64_t head, std::string body, std::chrono::milliseconds longest,
            std::function<void(result<std::string>)>);
  void serve(std::function<void(head_call)>);

 private:
  struct find_op {
    std::optional<job_id> id{};
    job_key key{};
    shared_store::find_done done{};
    moment deadline{};
  };
  struct others_op {
    std::function<void(result<std::vector<head_view>>)> done{};
    moment deadline{};
  };
  struct call_op {
    std::int64_t number = 0; ///< of the call; its row is made once, however often it is sent
    std::int64_t head = 0;
    std::string body{};
    std::function<void(result<std::string>)> done{};
    moment deadline{};
  };
  struct work {
    std::vector<find_op> finds;
    std::vector<others_op> others;
    std::vector<call_op> calls;
    std::map<std::int64_t, std::string> answers; ///< by call
  };
  struct place {
    std::int64_t job = 0;
    head_view owner{};
  };
  /// Other threads reach only this; those that answer a call may outlive the exchange.
  struct inbox {
    unique_fd stop = make_wakeup(), wake = make_wakeup();
    std::mutex mutex; ///< guards the rest
    bool stopped = false;
    std::optional<pg_head::identity> me{};
    work fresh{};
    std::size_t open = 0; ///< of all that was asked for and has no end yet
    std::shared_ptr<const std::function<void(head_call)>> server{};
  };

  template <class Op>
  void add(std::vector<Op> work::*list, Op op);
  /// Every end of what was asked for comes here.
  template <class Op, class End>
  void end(Op& op, End how) {
    {
      const std::lock_guard guard{inbox_->mutex};
      --inbox_->open;
    }
    op.done(std::move(how));
  }
  template <class Op>
  void end_late(std::vector<Op>&);

  void run();
  void wait_for_work();
  moment next_due() const;
  void refuse_late();
  bool connect();
  bool round();
  bool look_up();
  std::optional<std::vector<std::optional<place>>> places();
  bool list_others();
  bool send_calls();
  bool send_answers();
  bool take_calls();
  bool take_answers();
  bool tidy();
  std::optional<pg_outcome> ask(const std::vector<pg_call>&);
  std::int64_t new_number();
  static error dead(std::int64_t head);
  pg_call notification(std::int64_t head) const;
  std::string channel_of(std::int64_t head) const;

  const pg_address& address_;
  const time_source& time_;
  const settings settings_;
  const std::shared_ptr<inbox> inbox_;

  // of the thread
  std::optional<pg_head::identity> me_;
  work work_;
  std::map<std::int64_t, call_op> calls_; ///< sent, without an answer
  std::optional<pg_session> session_;
  bool wanted_ = false; ///< a call is served or asked for: a connection is needed
  moment next_try_, next_tidy_, next_poll_;
  std::chrono::milliseconds try_pause_{0};
  std::uint64_t numbers_ = 0;
  std::string away_ = "it was not reached yet"; ///< why there is no connection
  std::thread thread_;                          ///< last: it uses all of the above
};

} // namespace tayfa::store
