// A store that several heads share does more than keep the jobs of one: it gives the jobs of a head
// that has died to one that lives, shows the jobs of other heads as the database has them, and
// carries calls from head to head.
//
// A call is a text that this room does not read, and so is its answer. Both go through the
// database: heads need no way to each other. A call is made once at most; its answer may get lost,
// and then the caller is refused when its time is over.
//
// Thread safe. Callbacks come from the store's own threads, once each.
#pragma once

#include "messages/error.hpp"
#include "messages/ids.hpp"
#include "runtime/store/row.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::store {

struct adopted_jobs {
  std::string from{}; ///< name of the head that had them; empty: no head is dead and has jobs
  std::vector<job_row> rows{};
};

/// The owner of a job, or another head.
struct head_view {
  std::int64_t number = 0;
  std::string name{};
  bool is_here = false; ///< this process's own
  bool lives = false;   ///< its lease is not over
};
struct found_job {
  head_view owner{};
  job_row row{};
};
/// The idempotency key of a request, with what it counts for.
struct job_key {
  std::string endpoint{}, tenant{}, key{};
};
/// A call by another head.
struct head_call {
  std::string body{};
  std::chrono::milliseconds left{0};                ///< until its caller is refused
  std::function<void(std::string answer)> answer{}; ///< from any thread; later ones are dropped
};

class shared_store {
 public:
  static constexpr std::size_t call_max = std::size_t{256} << 10;  ///< bytes
  static constexpr std::size_t answer_max = std::size_t{32} << 20; ///< bytes

  virtual ~shared_store() = default;
  /// Makes this head the owner of at most so many jobs of a head whose lease is over. They are its
  /// own from then on, whether or not the process lives to read the answer: a process that starts
  /// again finds them in job_store::open(). Any error: nothing was taken, or the next call gives
  /// what was.
  virtual void adopt(std::size_t most, std::function<void(result<adopted_jobs>)> done) = 0;
  /// Between two looks for a dead head.
  virtual std::chrono::milliseconds adopt_pause() const = 0;

  /// The name of this process's own head.
  virtual std::string name() const = 0;
  // errc::unavailable: the database is away; asking again is right. busy: too much is asked for.
  using find_done = std::function<void(result<std::optional<found_job>>)>;
  virtual void find(const job_id&, find_done) = 0;
  virtual void find(const job_key&, find_done) = 0;
  /// Other heads whose lease is not over.
  virtual void others(std::function<void(result<std::vector<head_view>>)> done) = 0;
  /// errc::unavailable also when that head is dead, or has not answered within the time; the call
  /// may then have had its effect.
  virtual void call(std::int64_t head, std::string body, std::chrono::milliseconds longest,
                    std::function<void(result<std::string>)> done) = 0;
  /// Calls of other heads go there from now on; null: nobody serves, and they wait.
  virtual void serve(std::function<void(head_call)>) = 0;
};

} // namespace tayfa::store
