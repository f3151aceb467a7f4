// The engine's side of the worker protocol, for any engine: in tayfa-engine and in the simulation.
//
// A session owns one engine and is its sink. It sends hello and heartbeats, decodes the
// dispatcher's messages, passes them to the engine and enforces the rules common to all engines:
//   * exactly one finished per attempt, and no message of that attempt after it;
//   * progress and partial are numbered from 1, per attempt and kind;
//   * steps are reported only with heartbeats, once for each attempt that progressed;
//   * a batch starts when all its members have arrived, even if some were refused or cancelled; one
//     batch fills at a time;
//   * every frame is acceptable to the peer: texts are clipped, an output that does not fit fails
//     the job;
//   * a malformed frame, or one for another incarnation, changes nothing and is counted.
// It is one end of a link (runtime/link): what it says is kept until the runtime has it.
//
// Owner: the process's main loop, or the simulated host. One thread; no clock but the given one; no
// sockets.
#pragma once

#include "messages/codec.hpp"
#include "messages/protocol.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/link/link_state.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tayfa::engine {

/// The connection to the dispatcher, as a session sees it.
class transport {
 public:
  virtual ~transport() = default;
  /// False when it takes no more now; then session::flush() is called later.
  virtual bool write(const link_message&) = 0;
};

/// The session makes its engine, because the engine needs the session as its sink.
using engine_factory = std::function<std::unique_ptr<engine>(sink&)>;

struct memory_use {
  std::uint64_t rss_bytes = 0;
  std::uint64_t device_bytes = 0;
};

struct session_options {
  std::uint32_t pid = 0;
  /// Called for a crash. A real process does not return from it. A simulated one does; it must not
  /// destroy the session before the call into the session has returned.
  std::function<void()> on_crash{};
  std::function<memory_use()> memory{}; ///< for heartbeats; without it 0 is reported

  // Faults on purpose (scripted_behavior).
  std::chrono::nanoseconds hello_delay{0};
  bool crash_at_hello = false;
  std::optional<std::chrono::nanoseconds> no_heartbeat_after{};
};

/// Refused messages, for the log and for tests.
struct session_counters {
  std::uint64_t bad_frames = 0;     ///< could not be decoded
  std::uint64_t foreign_frames = 0; ///< for another incarnation or slot
  std::uint64_t out_of_place = 0;   ///< valid, but not allowed from the dispatcher at this point
  std::uint64_t late_events = 0;    ///< the engine reported on an attempt that is not running
};

class session final : public sink {
 public:
  session(worker_ref, const engine_factory&, transport&, const time_source&, session_options = {});

  /// Sends hello (after hello_delay, if set).
  void open();
  /// A message from the dispatcher's end of the link.
  void on_message(std::span<const char> bytes);
  /// The connection was lost and is new.
  void connected();
  /// Writes what the transport did not take before.
  void flush();
  void wake(moment now);
  std::optional<moment> next_wakeup() const;

  /// The process must exit now, with 0. All calls are ignored from here on.
  bool done() const { return done_; }
  /// crash() was called and returned (simulation only).
  bool dead() const { return dead_; }

  int wake_descriptor() const { return engine_->wake_descriptor(); }
  const session_counters& counters() const { return counters_; }
  const link_state& link() const { return link_; }

  void emit(protocol::upstream) override;
  void emit_raw(std::string bytes) override;
  void crash() override;

 private:
  struct attempt_state {
    std::uint32_t progress = 0;
    std::uint32_t partial = 0;
    std::uint64_t steps = 0; ///< steps already reported
  };
  /// A batch that is filling.
  struct gathering {
    std::uint64_t number = 0;
    std::uint32_t size = 0;
    std::uint32_t arrived = 0; ///< includes members refused or cancelled meanwhile
    std::vector<protocol::assign> members;
  };
  enum class load_state : std::uint8_t { none, loading, loaded };

  void say_hello();
  void on_frame(std::span<const char> bytes);
  void send(const protocol::upstream&);
  void beat(moment now);
  void report_steps();
  std::optional<error> reason_to_refuse(const protocol::assign&) const;
  void refuse(const attempt_ref&, error why);
  void gather(const protocol::assign&, bool taken);
  void start_gathered();
  void finish_cancelled(const attempt_ref&);

  void on(const protocol::welcome&);
  void on(const protocol::load_model&);
  void on(const protocol::assign&);
  void on(const protocol::cancel&);
  void on(const protocol::shutdown&);
  void on(const protocol::use_threads&);

  void pass(protocol::load_finished);
  void pass(protocol::started);
  void pass(protocol::progress);
  void pass(protocol::partial);
  void pass(protocol::finished);
  void pass(protocol::log);

  bool over() const { return done_ || dead_; }

  worker_ref worker_;
  transport& out_;
  link_state link_;
  const time_source& time_;
  session_options options_;

  std::map<attempt_ref, attempt_state> attempts_; ///< assigned and not finished
  std::deque<attempt_ref>
      finished_; ///< the latest ones, so that a repeated assign is not run again
  std::optional<gathering> gathering_;
  load_state load_ = load_state::none;
  bool done_ = false;
  bool dead_ = false;

  moment opened_{};
  std::optional<moment> hello_due_;
  std::optional<std::chrono::milliseconds> beat_every_;
  moment beat_due_{};
  std::uint64_t beats_ = 0;
  session_counters counters_;
  std::unique_ptr<engine>
      engine_; ///< last: it may call its sink during construction, never after other members are
               ///< gone
};

} // namespace tayfa::engine
