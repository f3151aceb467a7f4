// Any bytes as moves of one of the five machines: a move succeeds exactly when the table has its
// edge.
#include "messages/lifecycle.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace tayfa;

namespace {

template <class State>
bool in_table(State from, State to, cause why) {
  for (const auto& e : machine_traits<State>::edges) {
    if (e.from == from && e.to == to && e.why == why) {
      return true;
    }
  }
  return false;
}

template <class State>
void walk(fuzz::choices& in) {
  machine<State> m;
  while (in.more()) {
    // Numbers beyond the last state and the last cause are walked, too.
    const auto to = static_cast<State>(in.below(machine_traits<State>::states.size() + 1));
    const auto why = static_cast<cause>(in.byte());
    const auto from = m.state();
    const auto done = m.move_to(to, why);
    fuzz::require(done.has_value() == in_table(from, to, why), "the table decides");
    fuzz::require(m.state() == (done ? to : from), "a refused move changes nothing");
    fuzz::require(!done || !is_final(from), "nothing leaves a final state");
    fuzz::require(done || done.error().code == errc::illegal_transition, "a refusal has its code");
  }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  fuzz::choices in{bytes, size};
  switch (in.below(5)) {
  case 0: walk<pod_state>(in); break;
  case 1: walk<engine_state>(in); break;
  case 2: walk<ingress_state>(in); break;
  case 3: walk<job_state>(in); break;
  case 4: walk<stop_state>(in); break;
  }
  return 0;
}
