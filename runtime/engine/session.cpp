#include "runtime/engine/session.hpp"

#include "runtime/base/utf8.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace tayfa::engine {

namespace {

using std::chrono::milliseconds;

// Clamps a dispatcher's heartbeat interval to sane values.
constexpr milliseconds beat_min{10};
constexpr milliseconds beat_max{600'000};
constexpr std::size_t finished_kept = 64;
// A frame needs room besides its one large text: header, attempt, and a clipped text.
constexpr std::size_t payload_max = protocol::frame_bytes_max - protocol::text_bytes_max - 4096;

/// Cuts to the decoder's limit, at a UTF-8 character boundary.
void clip(std::string& text) {
  text.resize(text::utf8_prefix(text, protocol::text_bytes_max).size());
}

} // namespace

session::session(worker_ref worker, const engine_factory& make, transport& out,
                 const time_source& time, session_options options)
    : worker_(worker), out_(out), link_({.self = worker.incarnation, .peer = runtime_incarnation}),
      time_(time), options_(std::move(options)), engine_(make(*this)) {}

// ---- life -----------------------------------------------------------------------------------

void session::open() {
  opened_ = time_.now();
  link_.connected(opened_);
  flush();
  hello_due_ = opened_ + options_.hello_delay;
  wake(opened_);
}

void session::say_hello() {
  hello_due_.reset();
  if (options_.crash_at_hello) {
    crash();
    return;
  }
  protocol::hello hello;
  hello.pid = options_.pid;
  hello.engine = engine_->kind();
  hello.device = engine_->device();
  hello.capacity = std::max<std::uint32_t>(1, engine_->capacity());
  hello.batch_max = std::max<std::uint32_t>(1, engine_->batch_max());
  hello.continuous = engine_->continuous();
  hello.steps = engine_->counts_steps();
  hello.memory_bytes = engine_->memory_bytes();
  clip(hello.engine);
  clip(hello.device);
  send(hello);
}

void session::wake(moment now) {
  if (over()) {
    return;
  }
  if (hello_due_ && *hello_due_ <= now) {
    say_hello();
  }
  if (const auto due = link_.asks_again(); due && *due <= now) {
    flush();
  }
  if (!over() && beat_every_ && beat_due_ <= now) {
    beat(now);
  }
  if (!over()) {
    engine_->wake(now);
  }
}

std::optional<moment> session::next_wakeup() const {
  if (over()) {
    return std::nullopt;
  }
  auto earliest = engine_->next_wakeup();
  const auto consider = [&](moment due) { earliest = earliest ? std::min(*earliest, due) : due; };
  if (hello_due_) {
    consider(*hello_due_);
  }
  if (beat_every_) {
    consider(beat_due_);
  }
  if (const auto due = link_.asks_again()) {
    consider(*due);
  }
  return earliest;
}

void session::beat(moment now) {
  beat_due_ = now + *beat_every_;
  if (options_.no_heartbeat_after && now - opened_ >= *options_.no_heartbeat_after) {
    beat_every_.reset();
    return;
  }
  const auto memory = options_.memory ? options_.memory() : memory_use{};
  send(protocol::heartbeat{++beats_, static_cast<std::uint32_t>(attempts_.size()), memory.rss_bytes,
                           memory.device_bytes, engine_->steps()});
  report_steps();
}

void session::report_steps() {
  if (!engine_->counts_steps()) {
    return;
  }
  for (auto& [attempt, state] : attempts_) {
    const auto steps = engine_->steps_of(attempt);
    if (steps > state.steps) {
      state.steps = steps;
      send(protocol::stepped{attempt, steps});
    }
  }
}

void session::crash() {
  dead_ = true;
  if (options_.on_crash) {
    options_.on_crash();
  }
}

void session::send(const protocol::upstream& message) {
  if (link_.send(protocol::encode(worker_, message, data_header_bytes))) { // it has no limit here
    flush();
  }
}

void session::flush() {
  link_.flush(time_.now(), [this](const link_message& message) { return out_.write(message); });
}

void session::connected() {
  if (!over()) {
    link_.connected(time_.now());
    flush();
  }
}

// ---- from the dispatcher ------------------------------------------------------------------------

void session::on_message(std::span<const char> bytes) {
  if (over()) {
    return;
  }
  const auto arrived = link_.receive(bytes, time_.now());
  if (!arrived) {
    ++counters_.bad_frames;
    return;
  }
  if (!arrived->frame.empty()) {
    on_frame(arrived->frame);
  }
  if (!over() && link_.wants_to_write()) {
    flush();
  }
}

void session::on_frame(std::span<const char> bytes) {
  const auto frame = protocol::decode_downstream(bytes);
  if (!frame) {
    ++counters_.bad_frames;
    return;
  }
  if (frame->worker != worker_) {
    ++counters_.foreign_frames;
    return;
  }
  std::visit([this](const auto& message) { on(message); }, frame->body);
}

void session::on(const protocol::welcome& message) {
  beat_every_ = std::clamp(milliseconds{message.heartbeat_ms}, beat_min, beat_max);
  beat_due_ = time_.now() + *beat_every_;
}

void session::on(const protocol::load_model& message) {
  if (load_ == load_state::loading || !attempts_.empty()) {
    ++counters_.out_of_place;
    return;
  }
  load_ = load_state::loading;
  engine_->load(message);
}

void session::on(const protocol::assign& message) {
  const bool repeated =
      attempts_.contains(message.attempt) ||
      std::find(finished_.begin(), finished_.end(), message.attempt) != finished_.end();
  if (repeated || message.attempt.job.empty()) {
    ++counters_.out_of_place;
    return;
  }
  auto refusal = reason_to_refuse(message);
  const bool taken = !refusal;
  if (refusal) {
    refuse(message.attempt, std::move(*refusal));
  } else {
    attempts_.try_emplace(message.attempt);
  }
  if (message.batch != 0) {
    gather(message, taken);
  } else if (taken) {
    engine_->start(message);
  }
}

std::optional<error> session::reason_to_refuse(const protocol::assign& message) const {
  if (load_ != load_state::loaded) {
    return error{errc::not_ready, "no model is loaded"};
  }
  if (attempts_.size() >= std::max<std::uint32_t>(1, engine_->capacity())) {
    return error{errc::engine_protocol, "more attempts than the engine's capacity"};
  }
  if (message.batch == 0) {
    return std::nullopt;
  }
  if (message.batch_size == 0 ||
      message.batch_size > std::max<std::uint32_t>(1, engine_->batch_max())) {
    return error{errc::engine_protocol, "a batch of a size that the engine does not take"};
  }
  if (gathering_ && gathering_->number == message.batch && gathering_->size != message.batch_size) {
    return error{errc::engine_protocol, "members of one batch that name different sizes"};
  }
  if (gathering_ && gathering_->number != message.batch && !gathering_->members.empty()) {
    return error{errc::engine_protocol, "another batch is not complete"};
  }
  return std::nullopt;
}

/// A refused attempt is answered at once: silence would look like a hang.
void session::refuse(const attempt_ref& attempt, error why) {
  ++counters_.out_of_place;
  protocol::finished answer;
  answer.attempt = attempt;
  answer.how = protocol::outcome::failed;
  answer.code = static_cast<std::uint16_t>(why.code);
  answer.text = std::move(why.text);
  send(answer);
}

/// Counts an arrived member of a batch. The batch starts when all have arrived, including refused
/// ones; one without accepted members is replaced by the next.
void session::gather(const protocol::assign& message, bool taken) {
  if (!gathering_ || gathering_->number != message.batch) {
    if (gathering_ && !gathering_->members.empty()) {
      return;
    }
    gathering_ = gathering{message.batch, message.batch_size, 0, {}};
  }
  ++gathering_->arrived;
  if (taken) {
    gathering_->members.push_back(message);
  }
  if (gathering_->arrived >= gathering_->size) {
    start_gathered();
  }
}

void session::start_gathered() {
  const auto batch = std::move(*gathering_);
  gathering_.reset();
  if (batch.members.size() == 1) {
    engine_->start(batch.members.front());
  } else if (!batch.members.empty()) {
    engine_->start_batch(batch.members);
  }
}

void session::on(const protocol::cancel& message) {
  if (!attempts_.contains(message.attempt)) {
    return;
  }
  if (gathering_) {
    auto& waiting = gathering_->members;
    if (std::erase_if(waiting, [&](const auto& m) { return m.attempt == message.attempt; }) != 0) {
      finish_cancelled(message.attempt);
      return;
    }
  }
  engine_->cancel(message.attempt);
}

void session::finish_cancelled(const attempt_ref& attempt) {
  protocol::finished last;
  last.attempt = attempt;
  last.how = protocol::outcome::cancelled;
  pass(std::move(last));
}

void session::on(const protocol::shutdown&) {
  done_ = true;
}

void session::on(const protocol::use_threads& message) {
  if (message.count > 0) {
    engine_->use_threads(message.count);
  }
}

// ---- from the engine ------------------------------------------------------------------------

void session::emit(protocol::upstream message) {
  if (over()) {
    return;
  }
  std::visit(
      [this]<class Body>(Body& body) {
        if constexpr (requires { pass(std::move(body)); }) {
          pass(std::move(body));
        } else {
          ++counters_.late_events; // hello, heartbeat, … are sent by the session itself
        }
      },
      message);
}

void session::emit_raw(std::string bytes) {
  if (!over()) {
    out_.write(std::make_shared<const std::string>(std::move(bytes)));
  }
}

void session::pass(protocol::load_finished message) {
  if (load_ != load_state::loading) {
    ++counters_.late_events;
    return;
  }
  load_ = message.ok ? load_state::loaded : load_state::none;
  message.batch_max = message.ok ? std::max<std::uint32_t>(1, engine_->batch_max()) : 0;
  clip(message.model);
  clip(message.text);
  send(message);
}

void session::pass(protocol::started message) {
  if (!attempts_.contains(message.attempt)) {
    ++counters_.late_events;
    return;
  }
  send(message);
}

void session::pass(protocol::progress message) {
  const auto found = attempts_.find(message.attempt);
  if (found == attempts_.end() || message.payload.size() > payload_max) {
    ++counters_.late_events;
    return;
  }
  message.sequence = ++found->second.progress;
  send(message);
}

void session::pass(protocol::partial message) {
  const auto found = attempts_.find(message.attempt);
  if (found == attempts_.end() || message.payload.size() > payload_max) {
    ++counters_.late_events;
    return;
  }
  message.sequence = ++found->second.partial;
  send(message);
}

void session::pass(protocol::finished message) {
  if (attempts_.erase(message.attempt) == 0) {
    ++counters_.late_events;
    return;
  }
  finished_.push_back(message.attempt);
  if (finished_.size() > finished_kept) {
    finished_.pop_front();
  }
  if (message.output.size() > payload_max) {
    message.how = protocol::outcome::failed;
    message.code = static_cast<std::uint16_t>(errc::job_failed);
    message.text = "the output is larger than a frame may be";
    message.output = {};
  }
  clip(message.text);
  send(message);
}

void session::pass(protocol::log message) {
  if (!message.attempt.job.empty() && !attempts_.contains(message.attempt)) {
    ++counters_.late_events;
    return;
  }
  message.level = std::min<std::uint8_t>(message.level, 3);
  clip(message.text);
  send(message);
}

} // namespace tayfa::engine
