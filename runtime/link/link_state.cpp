#include "runtime/link/link_state.hpp"

#include <algorithm>
#include <utility>

namespace tayfa {

namespace {

std::size_t frame_bytes(const std::string& message) {
  return message.size() - data_header_bytes;
}

/// The last frame may exceed the bytes: otherwise one that is larger than all of them could never
/// be sent, and one that does not fit behind others would wait for an acknowledgement that is not
/// due yet.
bool accepts(const link_window& window, std::size_t frames, std::size_t bytes) {
  return (window.frames == 0 || frames < window.frames) &&
         (window.bytes == 0 || bytes < window.bytes);
}

/// An acknowledgement that comes only when the window is full would stop the peer meanwhile.
std::uint64_t at_most_half(std::uint64_t wanted, std::uint64_t window) {
  return window == 0 ? wanted : std::min(wanted, std::max<std::uint64_t>(1, window / 2));
}

} // namespace

link_state::link_state(const link_options& options)
    : options_(options), peer_(options.peer), peer_window_(options.sends) {
  options_.ack_frames = at_most_half(options.ack_frames, options.receives.frames);
  options_.ack_bytes = at_most_half(options.ack_bytes, options.receives.bytes);
}

// ---- out ----------------------------------------------------------------------------------------

bool link_state::has_credit() const {
  return accepts(peer_window_, kept_.size(), kept_bytes_);
}

bool link_state::send(std::string&& frame_with_room) {
  if (!has_credit()) {
    return false;
  }
  const auto size = frame_bytes(frame_with_room);
  kept_bytes_ += size;
  unsent_bytes_ += size;
  auto message = std::make_shared<std::string>(std::move(frame_with_room));
  auto* const written = message.get();
  kept_.push_back({std::move(message), written});
  return true;
}

bool link_state::wants_to_write() const {
  return open_due_ || opened_due_ || (open_ && (sent_ < kept_.size() || ack_due_));
}

envelope link_state::header(link_kind kind, std::uint64_t sequence) const {
  return {kind, options_.self, peer_, sequence, acknowledged_, options_.receives};
}

const link_message* link_state::next() {
  const auto control = [this](turn t, link_kind kind, std::uint64_t sequence) {
    turn_ = t;
    control_ = std::make_shared<const std::string>(control_message(header(kind, sequence)));
    return &control_;
  };
  if (open_due_) {
    return control(turn::open, link_kind::open, received_);
  }
  if (opened_due_) {
    return control(turn::opened, link_kind::opened, received_);
  }
  if (open_ && sent_ < kept_.size()) {
    turn_ = turn::data;
    const auto sequence = first_ + sent_;
    auto& frame = kept_[sent_];
    if (sequence > sent_highest_) { // later the connection may hold it too, so it must not change
      write_data_header(header(link_kind::data, sequence), *frame.written);
    }
    return &frame.message;
  }
  if (open_ && ack_due_) {
    return control(turn::ack, link_kind::ack, 0);
  }
  turn_ = turn::none;
  return nullptr;
}

void link_state::written(moment now) {
  const auto said = [&] {
    acknowledged_sent_ = acknowledged_;
    acknowledged_bytes_ = 0;
    acknowledged_at_ = now;
    ack_due_ = false;
  };
  switch (turn_) {
  case turn::none: break;
  case turn::open:
    open_due_ = false;
    said();
    break;
  case turn::opened:
    opened_due_ = false;
    said();
    break;
  case turn::ack: said(); break;
  case turn::data: {
    auto& frame = kept_[sent_];
    frame.sent_at = now;
    unsent_bytes_ -= frame_bytes(*frame.message);
    if (const auto sequence = first_ + sent_++; sequence > sent_highest_) {
      sent_highest_ = sequence;
      said();
    } else {
      ++counters_.repeated;
    }
    break;
  }
  }
  control_.reset();
  turn_ = turn::none;
}

// ---- connections --------------------------------------------------------------------------------

void link_state::connected(moment now) {
  disconnected();
  asked_at_.reset();
  ask(now);
}

void link_state::disconnected() {
  open_ = false;
  open_due_ = false;
  opened_due_ = false;
  ack_due_ = false;
}

/// Asks the peer for its state, unless it has just been asked.
void link_state::ask(moment now) {
  if (!asked_at_ || now - *asked_at_ >= options_.ask_again) {
    asked_at_ = now;
    open_due_ = true;
  }
}

std::optional<moment> link_state::asks_again() const {
  if (!open_) {
    return asked_at_ ? std::optional{*asked_at_ + options_.ask_again} : std::nullopt;
  }
  if (sent_ == 0) {
    return std::nullopt;
  }
  const auto due =
      kept_.front().sent_at + (has_credit() ? options_.ask_silent : options_.ask_again);
  return asked_at_ ? std::max(due, *asked_at_ + options_.ask_again) : due;
}

/// Asks when sent frames stay unacknowledged although the peer sends: they may be lost.
void link_state::ask_when_heard(moment now) {
  if (open_ && sent_ > 0 && now - kept_.front().sent_at >= options_.ask_again) {
    ask(now);
  }
}

// ---- in -----------------------------------------------------------------------------------------

result<link_arrival> link_state::receive(std::span<const char> message, moment now) {
  const auto read = read_envelope(message);
  if (!read) {
    return fail(read.error());
  }
  const auto& e = read->header;
  if (options_.peer != 0 && e.from != options_.peer) {
    return fail(errc::bad_frame, "the message names another incarnation");
  }
  if (e.kind == link_kind::open || e.kind == link_kind::opened) {
    return on_opening(e, now);
  }
  if (!is_known(e, now)) {
    return link_arrival{};
  }
  if (e.acknowledged > sent_highest_) {
    return fail(errc::bad_frame, "it acknowledges frames that were never sent");
  }
  if (e.kind == link_kind::data) {
    return on_data(e, read->frame, now);
  }
  take_acknowledgement(e.acknowledged);
  ask_when_heard(now);
  return link_arrival{};
}

/// False when the message is from or for another incarnation than the present two.
bool link_state::is_known(const envelope& e, moment now) {
  if (e.from == peer_ && e.to == options_.self) {
    return true;
  }
  ++counters_.stale;
  if (e.from >= peer_) { // it does not know this end, or this end does not know it
    ask(now);
  }
  return false;
}

result<link_arrival> link_state::on_opening(const envelope& e, moment now) {
  if (e.to != options_.self && e.to != 0) { // meant for the one before this end: it shall learn
    ++counters_.stale;
    asked_at_.reset();
    ask(now);
    return link_arrival{};
  }
  if (e.from < peer_) {
    ++counters_.stale;
    return link_arrival{};
  }
  const bool fresh = e.from > peer_ && peer_ != 0;
  const std::uint64_t has = e.to == 0 ? 0 : e.sequence;
  if (has > (fresh ? 0 : sent_highest_)) {
    return fail(errc::bad_frame, "it claims frames that were never sent");
  }
  if (e.acknowledged > e.sequence || (e.to == 0 && e.sequence != 0)) {
    return fail(errc::bad_frame, "it acknowledges frames that it does not have");
  }
  link_arrival out;
  if (fresh) {
    restart(out);
  }
  peer_ = e.from;
  peer_window_ = e.window;
  take_acknowledgement(e.acknowledged);
  if (fresh || !is_repeated(e, has, now)) {
    resume_after(has);
    resumed_ = resumption{has, now};
    ++counters_.resumed;
  }
  open_ = true;
  if (e.kind == link_kind::open) {
    opened_due_ = true;
  } else {
    asked_at_.reset();
  }
  return out;
}

/// An answer that no question waits for, or one of many questions that arrive at once, after a
/// pause of this end. Sending everything again for each would cost questions times frames.
bool link_state::is_repeated(const envelope& e, std::uint64_t has, moment now) const {
  const bool just_done =
      resumed_ && resumed_->has == has && now - resumed_->at < options_.ask_again / 8;
  return open_ && ((e.kind == link_kind::opened && !asked_at_) || just_done);
}

void link_state::restart(link_arrival& out) {
  out.new_peer = true;
  for (auto& frame : kept_) {
    out.lost.push_back(std::move(frame.message));
  }
  kept_.clear();
  first_ = 1;
  sent_ = 0;
  sent_highest_ = 0;
  kept_bytes_ = 0;
  unsent_bytes_ = 0;
  received_ = 0;
  acknowledged_ = 0;
  acknowledged_sent_ = 0;
  unacknowledged_.clear();
  unacknowledged_bytes_ = 0;
  acknowledged_bytes_ = 0;
}

/// The next frame to be sent is the one after this number.
void link_state::resume_after(std::uint64_t has) {
  sent_ = static_cast<std::size_t>(std::max(has, first_ - 1) - (first_ - 1));
  unsent_bytes_ = 0;
  for (std::size_t i = sent_; i < kept_.size(); ++i) {
    unsent_bytes_ += frame_bytes(*kept_[i].message);
  }
}

void link_state::take_acknowledgement(std::uint64_t upto) {
  for (; first_ <= upto; ++first_) {
    const auto size = frame_bytes(*kept_.front().message);
    kept_bytes_ -= size;
    if (sent_ > 0) {
      --sent_;
    } else {
      unsent_bytes_ -= size; // it was to be sent again, and has arrived meanwhile
    }
    kept_.pop_front();
  }
}

result<link_arrival> link_state::on_data(const envelope& e, std::span<const char> frame,
                                         moment now) {
  const auto& window = options_.receives;
  const bool in_turn = e.sequence == received_ + 1;
  const bool beyond =
      window.frames != 0 && e.sequence > received_ && e.sequence - acknowledged_ > window.frames;
  if (beyond || (in_turn && !accepts(window, unacknowledged_.size(), unacknowledged_bytes_))) {
    return fail(errc::bad_frame, "it sends more than its credit");
  }
  take_acknowledgement(e.acknowledged);
  ask_when_heard(now);
  if (!open_) { // the peer has connected again without saying so
    ask(now);
  }
  link_arrival out;
  if (e.sequence <= received_) {
    ++counters_.duplicates;
    ack_due_ = true;
    return out;
  }
  if (!in_turn) { // what is missing was lost with a connection
    ask(now);
    return out;
  }
  received_ = e.sequence;
  out.frame = frame;
  out.sequence = e.sequence;
  if (options_.acknowledge_at_once) {
    dealt_with(frame.size());
    acknowledge_if_due(now);
  } else {
    unacknowledged_.push_back(frame.size());
    unacknowledged_bytes_ += frame.size();
  }
  return out;
}

void link_state::dealt_with(std::size_t bytes) {
  ++acknowledged_;
  acknowledged_bytes_ += bytes;
}

void link_state::acknowledge(std::uint64_t sequence, moment now) {
  while (acknowledged_ < std::min(sequence, received_)) {
    dealt_with(unacknowledged_.front());
    unacknowledged_bytes_ -= unacknowledged_.front();
    unacknowledged_.pop_front();
  }
  acknowledge_if_due(now);
}

void link_state::acknowledge_if_due(moment now) {
  const bool late = options_.ack_after.count() != 0 && now - acknowledged_at_ >= options_.ack_after;
  ack_due_ = ack_due_ || acknowledged_ - acknowledged_sent_ >= options_.ack_frames ||
             acknowledged_bytes_ >= options_.ack_bytes ||
             (late && acknowledged_ != acknowledged_sent_);
}

} // namespace tayfa
