// A link whose peer is an adversary: it drops, repeats, reorders and forges messages. The end under
// test refuses as bad_frame, keeps within its windows, delivers an honest peer's frames at most
// once and in order, and recovers when the wire is honest again.
#include "runtime/link/link_state.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <deque>

using namespace tayfa;

namespace {

constexpr link_window window{6, 64};
constexpr std::size_t frame_most = 40;

std::string with_room(const std::string& frame) {
  return std::string(data_header_bytes, '\0') + frame;
}

/// Any bytes as a message: refused with a rule, or a header that says itself again.
void read_any(std::span<const char> bytes) {
  const auto read = read_envelope(bytes);
  if (!read) {
    fuzz::require(read.error().code == errc::bad_frame, "only bad_frame comes from reading");
    fuzz::require(!read.error().text.empty(), "a refusal names the rule");
    return;
  }
  std::string again;
  if (read->header.kind == link_kind::data) {
    again = with_room({read->frame.begin(), read->frame.end()});
    write_data_header(read->header, again);
  } else {
    again = control_message(read->header);
  }
  fuzz::require(again == std::string(bytes.begin(), bytes.end()), "every field survives");
}

struct end {
  explicit end(std::uint64_t self)
      : state({.self = self, .receives = window, .sends = window, .ack_frames = 2}) {}

  void send() {
    auto frame = std::to_string(next) + std::string(next % frame_most, '.');
    if (state.send(with_room(frame))) {
      ++next;
    }
  }
  void flush(moment now) {
    state.flush(now, [&](const link_message& m) {
      wire.push_back(*m);
      return true;
    });
  }
  void take(const std::string& message, moment now, bool honest) {
    const auto arrived = state.receive(message, now);
    if (!arrived) {
      fuzz::require(arrived.error().code == errc::bad_frame, "a link refuses as bad_frame");
      fuzz::require(!honest, "an honest peer is never refused");
      return;
    }
    if (arrived->new_peer) {
      delivered = 0;
      next = 0;
    }
    if (honest && !arrived->frame.empty()) {
      fuzz::require(std::atoi(arrived->frame.data()) == delivered++, "once and in order");
    }
    flush(now);
  }
  void check() const {
    fuzz::require(state.kept() <= window.frames, "no more frames than the peer accepts");
    fuzz::require(state.kept_bytes() <= window.bytes + frame_most + 8, "nor bytes");
    fuzz::require(state.unsent() <= state.kept(), "what waits is kept");
    fuzz::require(state.unsent_bytes() <= state.kept_bytes(), "and so are its bytes");
  }

  link_state state;
  std::deque<std::string> wire;
  int next = 0;
  int delivered = 0;
};

/// A forged message: some header of a link between the two, or of nobody.
std::string forged(fuzz::choices& in) {
  envelope e;
  e.kind = static_cast<link_kind>(1 + in.below(4));
  e.from = in.below(4);
  e.to = in.below(4);
  e.sequence = in.below(2) == 0 ? in.below(12) : ~std::uint64_t{0} - in.below(3);
  e.acknowledged = in.below(2) == 0 ? in.below(12) : ~std::uint64_t{0} - in.below(3);
  if (e.kind == link_kind::data) {
    auto bytes = with_room(std::string(1 + in.below(frame_most), 'f'));
    write_data_header(e, bytes);
    return bytes;
  }
  if (e.kind != link_kind::ack) {
    e.window = window;
  }
  return control_message(e);
}

/// Two ends and what is between them. With honest choices only, both keep all promises; with a
/// forger, nothing breaks.
struct conversation {
  explicit conversation(bool is_honest) : honest(is_honest) {
    a.state.connected(now);
    a.flush(now);
  }

  void step(fuzz::choices& in) {
    const bool first = in.below(2) == 0;
    auto& one = first ? a : b;
    switch (in.below(honest ? 6 : 9)) {
    case 0:
      one.send();
      one.flush(now);
      break;
    case 1:
    case 2: deliver(one); break;
    case 3:
      lose();
      one.state.connected(now);
      one.flush(now);
      break;
    case 4:
      now += std::chrono::milliseconds{in.byte() * 8};
      one.flush(now);
      break;
    case 5:
      lose();
      b.state.disconnected(); // a is the one that connects
      break;
    case 6: one.take(forged(in), now, false); break;
    case 7:
      if (!one.wire.empty()) {
        one.wire.push_back(one.wire.front());
      }
      break;
    case 8:
      if (!one.wire.empty()) {
        one.wire.pop_front();
      }
      break;
    }
    a.check();
    b.check();
  }

  void deliver(end& from) {
    if (!from.wire.empty()) {
      const auto message = from.wire.front();
      from.wire.pop_front();
      (&from == &a ? b : a).take(message, now, honest);
    }
  }

  void lose() {
    a.wire.clear();
    b.wire.clear();
  }

  void calm_down() {
    for (int round = 0; round < 6; ++round) {
      now += std::chrono::seconds{1};
      for (auto* one : {&a, &b}) {
        one->send();
        one->flush(now);
      }
      while (!a.wire.empty() || !b.wire.empty()) {
        deliver(a);
        deliver(b);
      }
    }
    fuzz::require(a.delivered == b.next && b.delivered == a.next,
                  "an honest wire delivers everything in the end");
  }

  bool honest;
  end a{1};
  end b{2};
  moment now{std::chrono::hours{1}};
};

void converse(fuzz::choices in, bool honest) {
  conversation both{honest};
  while (in.more()) {
    both.step(in);
  }
  if (honest) {
    both.calm_down();
  }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  read_any({reinterpret_cast<const char*>(bytes), size});
  converse({bytes, size}, true);
  converse({bytes, size}, false);
  return 0;
}
