// The scripted engine: behaves as the job's own input says (slow, wrong, crash, hang, out of
// memory), using only timers.
//
// It ships in the product, needs no GPU, and is the same code in a real engine process and in the
// simulation. The input is a superset of RunPod's mock-worker; a job's behaviour is a pure function
// of its input (scripted_plan), in this order: mock_logs, mock_progress, mock_delay or mock_stream,
// then one ending. Endings, by precedence: mock_crash, mock_hang, mock_garbage, mock_oom,
// mock_error, mock_return, the input itself. In calls of OpenAI's API these fields are in
// openai_input.
//
// The members of a batch run side by side and end together; mock_error fails only its member,
// mock_oom fails all.
//
// Owner: one session, on its thread. The only clock is the given time_source.
#pragma once

#include "messages/engine_kind.hpp"
#include "messages/error.hpp"
#include "runtime/engine/engine.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::engine {

struct session_options;

/// Limits of a script; beyond them the field is faulty.
inline constexpr std::size_t script_updates_max = 10'000;
inline constexpr std::size_t script_chunks_max = 10'000;
inline constexpr std::size_t script_logs_max = 1'000;

/// A running attempt's next action, `after` the previous step (the first one: after the start).
struct scripted_step {
  enum class action : std::uint8_t {
    log,      ///< `level` and `text`
    progress, ///< `text` is JSON
    partial,  ///< `text` is JSON
    complete, ///< `text` is the output's JSON; the last step
    fail,     ///< `code` and `text`; the last step
    crash,    ///< the process ends; the last step
    garbage,  ///< bytes that are no frame; nothing follows, so the dispatcher must notice
    hang,     ///< nothing follows, and cancels are ignored
  };
  std::chrono::nanoseconds after{0};
  action what = action::complete;
  std::uint8_t level = 1;
  errc code = errc::job_failed;
  std::string text{};
};

struct scripted_plan {
  std::vector<scripted_step> steps; ///< never empty
  bool refresh_worker = false;
  bool obeys_cancel = true;
};

/// The plan of a job, from its input's JSON text. errc::bad_input, naming the field, when the
/// script is faulty.
result<scripted_plan> plan_script(std::string_view input_json);

/// The simulated device of a scripted engine.
struct scripted_device {
  std::uint32_t capacity = 1;  ///< attempts at the same time, or batch_max if that is more
  std::uint32_t batch_max = 1; ///< more than 1: one run at a time, of up to this many members
  bool continuous = false;     ///< batches by itself: attempts run side by side, up to capacity
  bool steps = true;           ///< counts a step for each 100 ms of a script's own time
  std::string name = "cpu";
  std::uint64_t memory_bytes = 0;
  double time_factor = 1;      ///< duration of a script's second; 2 = half as fast
  double member_cost = 0;      ///< relative extra time of a run per further member
  std::uint32_t oom_above = 0; ///< larger runs fail for lack of memory; 0 = no run fails

  std::uint32_t room() const { return continuous ? capacity : std::max(capacity, batch_max); }
  bool one_run_at_a_time() const { return batch_max > 1 && !continuous; }
};

/// The engine's own behaviour, independent of jobs (JSON text, TAYFA_SCRIPTED in an engine
/// process): its simulated device, and its faults. All times in the text are seconds.
struct scripted_behavior {
  scripted_device device;                 ///< in every incarnation
  std::chrono::nanoseconds init_delay{0}; ///< before hello
  bool init_crash = false;                ///< after init_delay, instead of hello
  std::chrono::nanoseconds load_delay{0}; ///< between load_model and its answer
  bool load_crash = false;                ///< after load_delay
  bool load_hang = false;                 ///< load_model is never answered
  std::optional<std::string>
      load_error;                      ///< load_finished{ok = false, model_invalid} with this text
  std::vector<std::string> bad_models; ///< models with loading faults; empty = all
  std::optional<std::chrono::nanoseconds>
      no_heartbeat_after;                  ///< silence, from this long after the start
  std::vector<std::uint64_t> incarnations; ///< faulty incarnations; empty = all
  /// A whole behaviour per slot (slot i has entry i modulo their number); empty = all alike. In the
  /// text an entry names only its differences from the rest of the object.
  std::vector<scripted_behavior> slots;

  scripted_behavior for_slot(slot_id) const;
  /// This behaviour if it applies to the incarnation, else one without faults.
  scripted_behavior for_incarnation(std::uint64_t) const;
};

/// errc::bad_config names the field. Empty text gives a behaviour without faults.
result<scripted_behavior> parse_behavior(std::string_view json);

/// Applies the session's part of a behaviour: late or missing hello, no heartbeats.
void add_faults(const scripted_behavior&, session_options&);

struct scripted_options {
  scripted_behavior behavior{}; ///< already narrowed by for_slot() and for_incarnation()
};

/// Makes the plans of one batch end together with the longest: failures and completions wait for
/// it. A member that hangs, sends garbage or crashes does so at its own time; after a hang or
/// garbage no other member ends by itself.
void end_together(std::vector<scripted_plan>&);

class scripted_engine final : public engine {
 public:
  scripted_engine(sink& out, const time_source& time, scripted_options options = {})
      : out_(out), time_(time), options_(std::move(options)) {}

  std::string kind() const override { return std::string{engine_rows::scripted.name}; }
  std::string device() const override { return is().name; }
  std::uint32_t capacity() const override { return is().room(); }
  std::uint32_t batch_max() const override { return is().batch_max; }
  bool continuous() const override { return is().continuous; }
  std::uint64_t memory_bytes() const override { return is().memory_bytes; }
  bool counts_steps() const override { return is().steps; }
  std::uint64_t steps() const override;
  std::uint64_t steps_of(const attempt_ref&) const override;

  void load(const protocol::load_model&) override;
  void start(const protocol::assign&) override;
  void start_batch(const std::vector<protocol::assign>&) override;
  void cancel(const attempt_ref&) override;
  std::uint32_t running() const override;
  std::optional<moment> next_wakeup() const override;
  void wake(moment now) override;

 private:
  struct pending_load {
    std::string model;
    moment asked;
    moment due;
  };
  struct run {
    attempt_ref attempt;
    scripted_plan plan;
    std::size_t next = 0; ///< == steps.size() while it hangs
    moment begun;
    moment due;
    std::uint64_t batch = 0;          ///< runs with the same number form a batch
    std::chrono::nanoseconds step{1}; ///< of progress
    std::chrono::nanoseconds done{0}; ///< time of the steps before the next
  };
  using batch_of = std::vector<protocol::assign>;

  const scripted_device& is() const { return options_.behavior.device; }
  void answer_load(moment now);
  void begin(const batch_of&, moment now);
  void begin_waiting(moment now);
  void do_step(std::size_t index, moment now);
  void finish(std::size_t index, moment now, protocol::finished);
  void fail_batch(std::uint64_t batch, moment now, const scripted_step&);
  void refuse(const attempt_ref&, error why);
  std::uint64_t steps_of(const run&, moment now) const;

  sink& out_;
  const time_source& time_;
  scripted_options options_;
  std::optional<pending_load> load_;
  std::vector<run> runs_;        ///< in the order of their start
  std::deque<batch_of> queue_;   ///< waiting for the previous run, when only one runs at a time
  std::uint64_t batches_ = 0;    ///< begun
  std::uint64_t steps_done_ = 0; ///< of ended attempts
  bool dead_ = false;            ///< crash() returned: a simulated process has ended
};

} // namespace tayfa::engine
