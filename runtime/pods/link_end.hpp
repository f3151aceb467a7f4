// An end of a session between a pod and its head: the link (runtime/link), messages that wait
// for its credit, the version that was agreed, and the blobs that go either way.
//
// Pure: connections are reached through the `write` that flush() is given. Both ends use it; they
// differ in what they send (Out) and what they understand (In).
#pragma once

#include "messages/pod_codec.hpp"
#include "runtime/link/link_state.hpp"
#include "runtime/pods/blobs.hpp"

#include <list>
#include <memory>
#include <string>
#include <utility>

namespace tayfa::pods {

/// Each end accepts so much without an acknowledgement.
inline constexpr link_window session_window{256, std::uint64_t{4} << 20};
/// Messages that wait for credit; beyond it the peer is too slow, and is cut.
inline constexpr std::size_t outbox_bytes_max = std::size_t{8} << 20;

/// `peer` 0 = it is learned.
inline link_options session_options(std::uint64_t self, std::uint64_t peer) {
  link_options o;
  o.self = self;
  o.peer = peer;
  o.receives = session_window;
  o.sends = session_window;
  o.ack_frames = 16;
  o.ack_bytes = std::uint64_t{1} << 20;
  o.ack_after = std::chrono::milliseconds{500};
  // A connection loses nothing while it lasts: a question is for what its end took along.
  o.ask_again = std::chrono::seconds{5};
  o.ask_silent = std::chrono::seconds{10};
  return o;
}

template <class In, class Out>
class link_end {
 public:
  link_end(std::uint64_t self, std::uint64_t peer, receive_budget& budget)
      : link_(session_options(self, peer)), budget_(&budget) {}

  link_state& link() { return link_; }
  const link_state& link() const { return link_; }
  void agreed(std::uint32_t version) { version_ = version; }
  std::uint32_t version() const { return version_; }

  void send(const worker_ref& worker, const Out& message) {
    auto frame = pod_protocol::encode(version_, worker, message, data_header_bytes);
    if (!outbox_.empty() || !link_.send(std::move(frame))) {
      outbox_bytes_ += frame.size();
      outbox_.push_back(std::move(frame));
    }
  }
  void send(const Out& message) { send(worker_ref{}, message); }

  /// A message of the connection; `frame` of the arrival is to be decoded.
  result<link_arrival> receive(std::span<const char> bytes, moment now) {
    return link_.receive(bytes, now);
  }
  result<protocol::frame<In>> decode(std::span<const char> frame) const {
    if constexpr (std::is_same_v<In, pod_protocol::upstream>) {
      return pod_protocol::decode_upstream(version_, frame);
    } else {
      return pod_protocol::decode_downstream(version_, frame);
    }
  }

  template <class Write>
  void flush(moment now, Write&& write) {
    refill();
    link_.flush(now, write);
  }
  /// Messages wait because the peer does not take them.
  bool stuck() const { return !outbox_.empty(); }
  bool too_slow() const { return outbox_bytes_ > outbox_bytes_max; }
  std::size_t outbox_bytes() const { return outbox_bytes_; }
  /// The peer began another session on this link: what waited for the earlier one, which is of no
  /// use any more. Blobs go on from where they are.
  std::list<std::string> new_session() {
    outbox_bytes_ = 0;
    if (receiver_) {
      receiver_->new_session();
    }
    sender_.reset();
    return std::exchange(outbox_, {});
  }

  // ---- blobs, once there are any --------------------------------------------------------------
  blob_receiver& receiver() {
    if (!receiver_) {
      receiver_ = std::make_unique<blob_receiver>(*budget_);
    }
    return *receiver_;
  }
  blob_sender& sender() {
    if (!sender_) {
      sender_ = std::make_unique<blob_sender>();
    }
    return *sender_;
  }
  /// Sends the requests for chunks that are due.
  void ask_for_chunks() {
    if (receiver_) {
      for (auto& need : receiver_->grants()) {
        send(std::move(need));
      }
    }
  }
  void serve(const pod_protocol::blob_need& need) {
    for (auto& chunk : sender().serve(need)) {
      send(std::move(chunk));
    }
  }
  /// The blobs go over to the next session.
  void take_blobs_of(link_end& before) {
    receiver_ = std::move(before.receiver_);
    sender_ = std::move(before.sender_);
    if (receiver_) {
      receiver_->new_session();
    }
    if (sender_) {
      sender_->new_session();
    }
  }

 private:
  void refill() {
    while (!outbox_.empty()) {
      const auto size = outbox_.front().size();
      if (!link_.send(std::move(outbox_.front()))) {
        return;
      }
      outbox_bytes_ -= size;
      outbox_.pop_front();
    }
  }

  link_state link_;
  std::list<std::string> outbox_;
  std::size_t outbox_bytes_ = 0;
  std::uint32_t version_ = pod_protocol::version_max;
  receive_budget* budget_;
  std::unique_ptr<blob_receiver> receiver_;
  std::unique_ptr<blob_sender> sender_;
};

using head_end = link_end<pod_protocol::upstream, pod_protocol::downstream>;
using pod_end = link_end<pod_protocol::downstream, pod_protocol::upstream>;

} // namespace tayfa::pods
