// The inside of the HTTP server: http_core accepts and owns connections, each connection is a small
// state machine. Everything here runs on the server's one thread; only core's io context may be
// touched (posted to) by others.
//
//   idle -> head -> body -> answering -> writing -> idle …    one request at a time
//     any --------------------------> writing -> lingering -> closed    a refusal that ends it
//                            answering -> streaming -> lingering        an answer that goes on
//
// A read is outstanding in every phase (unless 64 KiB wait unread), so a client that leaves is
// noticed at once, also while its answer is being worked on, and who works on it hears of it. One
// timer per connection bounds the time in each phase but answering, which ends because a reply
// cannot be forgotten. A head and an idle connection have a time for the whole of it; a body and an
// answer (in streaming each piece) may take as long as they go on, by transfer_pace. Between pieces
// the timer beats.
//
// Where places, or the room of bodies or answers, are used up, others' are asked for: connections
// that have been idle longest, and then whoever is slow.
//
// An answer above a few KiB has a place in core's budget from the moment it is made until it has
// left. While such a one leaves, and while a receipt waits for the client's acknowledgement,
// answer_watch looks at the connection ten times a second.
#pragma once

#include "runtime/http/answer_watch.hpp"
#include "runtime/http/gate_pass.hpp"
#include "runtime/http/head.hpp"
#include "runtime/http/http_date.hpp"
#include "runtime/http/listener.hpp"
#include "runtime/http/pieces_body.hpp"
#include "runtime/http/server.hpp"
#include "runtime/http/transfer_pace.hpp"
#include "runtime/net/host_names.hpp"

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <exception>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <vector>

namespace tayfa {

class http_core;

/// A thing of which there is not enough for everybody.
enum class scarce : std::uint8_t { connections, bodies, answers };

class http_connection : public std::enable_shared_from_this<http_connection> {
 public:
  using socket = boost::asio::ip::tcp::socket;
  using error_code = boost::system::error_code;

  http_connection(http_core& core, socket s, bool only_health);

  /// Serves requests until the client or the server is done.
  void serve();
  /// Answers with 503 and closes: there are too many connections.
  void turn_away();
  /// The server stops: closes now, or when the answer that is open has left.
  void finish();
  void close();
  void answer(std::uint64_t number, api::response response, receipt left, answer_place place);
  /// Its answer could not be handed over: there is no memory.
  void abandon(std::uint64_t number);
  /// From answer_watch. False when there is nothing to look at any more.
  bool look();
  /// Others want some of what it holds: ends when it makes little use of it.
  void give_way(scarce what);
  /// Likewise its place; only an idle one does. True when it is closed.
  bool leave_if_idle();

  /// The gate may have changed its mind: what is open and no longer allowed ends now.
  void recheck_access();

  bool admitted() const { return admitted_; }
  bool only_health() const { return only_health_; }

  /// Core's: where it stands among the idle ones, while it is one.
  std::optional<std::list<http_connection*>::iterator> idle_at;

  /// Every handler runs in it: what it throws (no memory) ends its own request, not the thread.
  template <class Step>
  void guarded(Step step) {
    try {
      step();
    } catch (const std::exception&) {
      on_no_memory();
    }
  }

 private:
  enum class phase { idle, head, body, answering, writing, streaming, lingering, closed };
  enum class after { go_on, close };

  void on_no_memory();
  void pump();
  void on_read(error_code ec, std::size_t size);
  void on_end_of_stream();
  void advance();
  void next_request();
  void begin_idle();
  void scan_head();
  void read_head();
  void admit();
  tl::expected<api::heading, api::response> read_target(std::string_view method,
                                                        std::string_view target) const;
  std::optional<error> refuse_stranger(std::string_view authority) const;
  std::optional<api::response> ask_gate(const api::heading& asked);
  void begin_body(std::size_t limit);
  void refuse_head(const error&);
  void refuse_target(const error&);
  bool no_body() const { return parser_->is_done(); }
  bool send_continue();
  void feed_body();
  void release_body();
  void hand_over();
  void pass_on(api::call call, reply_ptr reply);
  reply_ptr make_reply();
  void refuse_large(std::string text);
  void refuse(const error& why) { respond(api::refuse(why), after::close); }
  void respond(api::response response, after then);
  void on_written(error_code ec);
  bool client_has_left();
  bool answer_was_taken();
  void give_receipt();
  void settle_awaited(bool certain);
  void watch_answer();
  void linger();
  void linger_on();
  std::optional<api::response> refuse_stream() const;
  void start_stream(api::response response);
  void send_next();
  void end_stream(bool early);
  void send_heartbeat();
  void append_piece(std::string_view text);
  void send_outgoing();
  void on_piece_sent(error_code ec);
  void release_stream();
  void give_up();
  void arm(milliseconds time);
  void arm_until(moment due);
  void wait_at_most(std::chrono::nanoseconds);
  void disarm();
  void on_deadline();
  void begin_transfer(std::uint64_t moved);
  void begin_taking();
  void note_moved(std::uint64_t all);
  bool note_taken();
  void arm_transfer();
  bool goes_on();
  bool stands_still(std::chrono::nanoseconds time) const;
  bool is_slow() const;
  void give_place_away();

  http_core& core_;
  const bool only_health_; ///< came to the address for health checks
  socket socket_;
  boost::asio::steady_timer timer_;
  moment due_{};   ///< what the timer runs to, on the pod's clock
  moment since_{}; ///< it is idle, lingers, or its head arrives
  std::uint64_t timer_number_ =
      0; ///< a deadline that fired for an earlier phase is told by its number
  phase phase_ = phase::idle;
  std::vector<char> chunk_; ///< where the outstanding read writes to
  std::string pending_;     ///< received, not yet used
  bool reading_ = false;
  bool peer_done_ = false; ///< the client has closed its sending side
  bool keep_alive_ = false;
  bool only_head_wanted_ = false;
  bool openai_ = false; ///< the request is for OpenAI's API: its refusals have that one's form
  bool admitted_ = false;
  unsigned version_ = 11;
  std::uint64_t number_ = 0;         ///< of the request that is being answered
  std::shared_ptr<presence> client_; ///< while it waits for its answer
  receipt receipt_;                  ///< of the answer that is leaving
  receipt awaited_;                  ///< of one that has left, until it is acknowledged
  unsigned looks_awaited_ = 0;
  answer_place place_;       ///< of the answer that is leaving
  transfer_pace pace_;       ///< of the body that comes or the answer that leaves
  std::uint64_t moved_ = 0;  ///< bytes of the body, or acknowledged, at the latest look
  bool said_all_ = false;    ///< our sending side is closed
  std::size_t reserved_ = 0; ///< of core's receiving_bytes
  std::size_t discarded_ = 0;
  head_scanner scanner_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::optional<gate_pass> pass_; ///< of the request, until its answer has left
  std::optional<boost::beast::http::response<pieces_body>> message_;
  std::shared_ptr<api::body_source> stream_; ///< while its body is not at its end
  std::string outgoing_;                     ///< of the stream: head or pieces, framed
  bool sending_ = false;                     ///< outgoing_ is on its way and must not move
  bool chunked_ = false;
  bool waits_for_heartbeat_ = false; ///< the timer runs to the next beat
};

class http_core : public std::enable_shared_from_this<http_core> {
 public:
  explicit http_core(http_options o);

  void open(std::function<void(result<std::string>)> done);
  void close(std::function<void()> done);
  void close_now();
  void forget(http_connection&);
  /// From now on whoever finds no room for an answer takes that of readers that do not read.
  void heed_refusals();
  void idle_begins(http_connection&);
  void idle_ends(http_connection&);
  /// All connections are asked to give way, unless they were a moment ago.
  void ask_for(scarce what);
  /// Takes part of the bytes that all bodies in arrival may have together; false when they are used
  /// up.
  bool reserve(std::size_t bytes);
  void release(std::size_t bytes) { receiving_ -= bytes; }
  /// From any thread: to that request of that client, with a place in the budget, or 503.
  void deliver(const std::weak_ptr<http_connection>& to, std::uint64_t number,
               api::response response, receipt left);
  void report(errc code, std::string text) const;
  /// A request is open that the gate has let in: the gate is asked again and again while there is
  /// one.
  void watch_access();
  /// To the server's thread, from any. Once nobody runs that any more, it is dropped here.
  template <class Work>
  void post(Work work) {
    const std::lock_guard lock{posting_};
    if (!retired_) {
      boost::asio::post(io, std::move(work));
    }
  }
  /// Nothing is posted from now on.
  void retire();

  const http_options options;

 private:
  const system_time own_time_;

 public:
  const time_source& time; ///< by which clients are timed
  const host_names hosts;  ///< that are served where nobody needs a key
  http_dates dates;
  call_sink sink;
  bool closing = false;
  std::size_t streams = 0; ///< connections that are being streamed to
  std::size_t passes = 0;  ///< requests that the gate has let in, until their answers have left
  std::string health_address;

 private:
  http_listener listener(bool only_health);
  result<std::string> listen();
  void stop_listening();
  void take(http_connection::socket s, bool only_health);
  void closed();
  void look_at_access();
  void make_place(bool only_health);

  byte_budget budget_; ///< options.answers: one thing, whoever holds it
  std::mutex posting_;
  bool retired_ = false;
  std::size_t receiving_ = 0;
  bool watches_access_ = false;
  std::uint64_t access_version_ = 0; ///< of the gate, by which all open requests were judged
  std::size_t admitted_ = 0;
  std::size_t health_admitted_ = 0;
  std::unordered_set<std::shared_ptr<http_connection>> connections_;
  /// In the order in which they became idle; those of the address for health checks apart.
  std::array<std::list<http_connection*>, 2> idle_;
  std::array<moment, 3> next_ask_{}; ///< of each scarce thing
  std::vector<std::function<void()>> when_closed_;

 public:
  // Declared last, so destroyed first: handlers that still wait in it own connections, which refer
  // to the members above.
  boost::asio::io_context io{1};
  answer_watch watch{io, options.quiet};

 private:
  http_listener door_ = listener(false);
  http_listener health_door_ = listener(true);
  boost::asio::steady_timer close_deadline_{io};
  boost::asio::steady_timer access_timer_{io};
};

} // namespace tayfa
