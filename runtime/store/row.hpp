// The parts of a job that survive the process: plain rows, and the changes that the queue asks the
// store to make durable. Knows neither SQL nor decisions.
//
// Moments are those of this process's monotonic clock; the store translates them at its border, so
// that a moment read back after a restart means the same point in time (store.hpp).
#pragma once

#include "messages/job.hpp"
#include "runtime/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tayfa::store {

/// A job. `order` identifies it (ids are texts from outside); the job table assigns orders, which
/// grow and are never used again.
struct job_row {
  std::uint64_t order = 0;
  job_id id;
  job_request request;           ///< never changes but for its input, which may be released
  std::uint64_t fingerprint = 0; ///< of the request, for its idempotency key
  moment submitted;

  job_state state = job_state::IN_QUEUE;
  std::uint32_t attempts = 0;        ///< number of the latest attempt: the fence
  std::uint32_t lives = 1;           ///< 1 + retries by a client
  std::uint32_t attempts_before = 0; ///< of earlier lives, or handed back: they cost nothing
  std::uint32_t solo_crashes = 0;    ///< engines that ended while it ran alone in them
  bool suspect = false;              ///< an engine ended while it ran beside others
  bool dead = false;                 ///< on the dead list
  moment not_before;                 ///< delayed start, or backoff
  std::optional<moment> retried;     ///< the latest retry by a client: this life began then
  std::optional<moment> ended;
  std::string worker;       ///< of the latest attempt, for people
  worker_ref holder;        ///< the same worker; none in a row of a release that did not store it
  std::string lasting_name; ///< worker_facts::lasting_name of that worker, until the job ends
  moment given;             ///< its latest attempt was; none in a row of an older release
  bool streamed = false;    ///< that attempt has made stream chunks, which are not durable yet
  std::optional<error> failure;
  std::optional<milliseconds> delay;
  std::optional<milliseconds> execution;
  std::vector<attempt_view> history;

  std::uint32_t hook_tries = 0; ///< of the webhook; hook_open = still to be delivered
  bool hook_open =
      false;            ///< of a job with an origin: its result is to be delivered to its platform
  bool refresh = false; ///< it asked for a fresh worker
  std::uint32_t dropped_chunks = 0; ///< of its stream, before a reader received them
  std::optional<moment> keep_until; ///< a client asked for its result to stay until then

  shared_text output;        ///< JSON text
  std::vector<chunk> chunks; ///< unread stream chunks of an ended job
  // Read back: what is larger than job_store::inline_max stays in the store until fetch(). Both 0
  // when there is none, or it was released. input_bytes is not written.
  std::size_t input_bytes = 0;
  std::size_t output_bytes = 0;
  bool damaged = false; ///< read back: what was stored is not whole, so it is made to have FAILED
};

/// Which columns of a row a change carries. A new row carries all of them.
enum parts : std::uint8_t {
  part_request = 1, ///< id, request with its input, fingerprint, submitted: the row is new
  part_state = 2,   ///< everything that is not named in another part; in every put
  part_output = 4,
  part_chunks = 8,
  part_input_released = 16, ///< the input is no longer needed
};

/// The row shall be so. Idempotent: putting the same row twice changes nothing. Without
/// part_request it changes nothing either when the row is gone. An output that is empty while
/// output_bytes is not 0 is one that only the store has: it stays.
struct put {
  job_row row;
  std::uint8_t which = part_state;
};
/// The row shall be gone, with its files.
struct erase {
  std::uint64_t order = 0;
};
using change = std::variant<put, erase>;
using batch = std::vector<change>;

} // namespace tayfa::store
