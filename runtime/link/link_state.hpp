// An end of a link: every frame arrives once and in order, whatever happens to the connections.
//
// A connection that ends loses the frames under way, and a socket that reconnects by itself does
// not report that. A link therefore numbers its frames, keeps each until the peer has acknowledged
// it, and sends again after a reconnect what the peer does not have. Both hops of the worker
// protocol use it: runtime and engine (ipc, no limit), and later head and pod (tcp, bounded
// windows).
//
//   open    "I am incarnation F, I know you as T, I have all up to N, I accept W"; answered by
//   opened  with the same about the other end. Both ends send from N + 1 on. An end asks by `open`
//           when it has connected, when a number is missing, when a frame is long without an
//           acknowledgement, and when the peer does not know it.
//   data    one frame; its number, and what has been dealt with in the other direction
//   ack     only the latter, after ack_frames or ack_bytes without data to carry it
//
// Invariants:
//   * a frame is delivered once and in order to one incarnation of the peer; nothing of an older
//     incarnation, of either end, is delivered;
//   * when the peer is a new incarnation, the frames that the old one has not acknowledged are
//     reported as lost, and both directions begin at 1. Incarnations of one peer only grow;
//   * an end keeps no more than the peer accepts, and refuses more than it accepts itself;
//   * a message that violates this is refused as errc::bad_frame and changes nothing.
//
// Owner: the owner of the socket; one thread. It has no socket and no clock but the given moments.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/link/envelope.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tayfa {

/// A message that the connection and the link share; data begins with its header.
using link_message = std::shared_ptr<const std::string>;

/// The runtime's incarnation for its engines: they never outlive it.
inline constexpr std::uint64_t runtime_incarnation = 1;

struct link_options {
  std::uint64_t self = 1; ///< incarnation of this end, >= 1
  std::uint64_t peer = 0; ///< the only one of the peer that is accepted; 0 = it is learned
  link_window receives{}; ///< what this end accepts
  link_window sends{};    ///< what the peer accepts, until it has said so itself
  /// A delivered frame counts as dealt with; otherwise acknowledge() says when.
  bool acknowledge_at_once = true;
  std::uint64_t ack_frames = 32; ///< at most half of the window counts
  std::uint64_t ack_bytes = std::uint64_t{1} << 20;
  /// An acknowledgement older than this goes out with the next message that arrives; 0 = no limit.
  std::chrono::nanoseconds ack_after{0};
  /// A question has no answer for so long, or a frame no acknowledgement although the peer sends or
  /// its credit is used up.
  std::chrono::nanoseconds ask_again = std::chrono::seconds{1};
  /// Likewise when the peer is silent, as it may well be.
  std::chrono::nanoseconds ask_silent = std::chrono::seconds{5};
};

struct link_counters {
  std::uint64_t duplicates = 0; ///< frames that this end had already
  std::uint64_t stale = 0;      ///< messages from or for another incarnation
  std::uint64_t repeated = 0;   ///< frames sent again
  std::uint64_t resumed = 0;    ///< times that the link was opened
};

/// The result of one received message.
struct link_arrival {
  std::span<const char> frame; ///< to be delivered; empty = none
  std::uint64_t sequence = 0;
  bool new_peer = false;          ///< the peer is a new incarnation
  std::vector<link_message> lost; ///< what the old one has not acknowledged
};

class link_state {
 public:
  explicit link_state(const link_options&);

  /// Takes a frame that has data_header_bytes of room in front. False (and the frame unchanged)
  /// when the peer accepts no more now.
  [[nodiscard]] bool send(std::string&& frame_with_room);
  bool has_credit() const;

  /// A new connection: this end asks the peer for its state before it sends more.
  void connected(moment now);
  /// For the end that does not connect: nothing is sent until a message of the peer arrives again.
  void disconnected();

  /// Takes a message that has arrived on the connection.
  result<link_arrival> receive(std::span<const char> message, moment now);
  /// All delivered frames up to this number have been dealt with.
  void acknowledge(std::uint64_t sequence, moment now);

  /// Gives what is to be written to `write`, until that answers false: the connection takes no more
  /// now.
  template <class Write>
  void flush(moment now, Write&& write) {
    if (const auto due = asks_again(); due && *due <= now) {
      ask(now); // the question or a frame may be lost
    }
    while (const auto* message = next()) {
      if (!write(*message)) {
        return;
      }
      written(now);
    }
  }
  bool wants_to_write() const;
  /// When flush() asks again, if nothing arrives before.
  std::optional<moment> asks_again() const;

  bool is_open() const { return open_; }
  std::uint64_t peer() const { return peer_; }
  /// Frames that wait to be written, and their bytes.
  std::size_t unsent() const { return kept_.size() - sent_; }
  std::size_t unsent_bytes() const { return unsent_bytes_; }
  /// Frames without an acknowledgement, sent or not, and their bytes.
  std::size_t kept() const { return kept_.size(); }
  std::size_t kept_bytes() const { return kept_bytes_; }
  const link_counters& counters() const { return counters_; }

 private:
  struct kept_frame {
    link_message message;
    std::string* written = nullptr; ///< the same; its header is written before it is first sent
    moment sent_at{};
  };
  enum class turn : std::uint8_t { none, open, opened, data, ack };

  const link_message* next();
  void written(moment now);
  result<link_arrival> on_opening(const envelope&, moment now);
  result<link_arrival> on_data(const envelope&, std::span<const char> frame, moment now);
  void restart(link_arrival&);
  void resume_after(std::uint64_t has);
  void take_acknowledgement(std::uint64_t upto);
  void ask(moment now);
  void ask_when_heard(moment now);
  bool is_repeated(const envelope&, std::uint64_t has, moment now) const;
  void dealt_with(std::size_t bytes);
  void acknowledge_if_due(moment now);
  bool is_known(const envelope&, moment now);
  envelope header(link_kind, std::uint64_t sequence) const;

  link_options options_;
  std::uint64_t peer_ = 0;
  bool open_ = false;
  link_counters counters_;

  // out
  std::deque<kept_frame> kept_;
  std::uint64_t first_ = 1;        ///< number of kept_'s first
  std::size_t sent_ = 0;           ///< so many of kept_ have been sent on this connection
  std::uint64_t sent_highest_ = 0; ///< number, on any connection
  std::size_t kept_bytes_ = 0;
  std::size_t unsent_bytes_ = 0;
  link_window peer_window_;
  bool open_due_ = false;
  bool opened_due_ = false;
  bool ack_due_ = false;
  turn turn_ = turn::none; ///< what next() has given
  link_message control_;
  struct resumption {
    std::uint64_t has = 0; ///< the peer had frames up to this number
    moment at;
  };
  std::optional<resumption> resumed_;
  std::optional<moment> asked_at_; ///< an `open` has no answer yet

  // in
  std::uint64_t received_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t acknowledged_sent_ = 0;
  /// Sizes of frames delivered and not dealt with; unless it acknowledges at once.
  std::deque<std::size_t> unacknowledged_;
  std::size_t unacknowledged_bytes_ = 0;
  std::size_t acknowledged_bytes_ = 0; ///< since the last acknowledgement that was sent
  moment acknowledged_at_{};
};

} // namespace tayfa
