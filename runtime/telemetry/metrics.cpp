#include "runtime/telemetry/metrics.hpp"

#include <array>
#include <cmath>
#include <map>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <tuple>

namespace tayfa {

namespace {

enum class meter_kind : std::uint8_t { counter, gauge, histogram };

struct meter_row {
  const char* name;
  meter_kind kind;
  const char* help;
};

constexpr meter_row rows[] = {
#define TAYFA_X(name, kind, help) {#name, meter_kind::kind, help},
    TAYFA_METRICS(TAYFA_X)
#undef TAYFA_X
};
constexpr std::size_t row_count = std::size(rows);

/// Bucket bounds in seconds: from the runtime's own overhead to the longest attempt allowed by
/// default.
const prometheus::Histogram::BucketBoundaries buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                      0.1,   0.25,   0.5,   1.0,  2.5,   5.0,
                                                      10.0,  30.0,   60.0,  120,  300,   600};

/// Only the pointer of the row's kind is set.
struct slot {
  prometheus::Counter* counter = nullptr;
  prometheus::Gauge* gauge = nullptr;
  prometheus::Histogram* histogram = nullptr;
};

using edge_key = std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;

} // namespace

struct metrics::impl {
  prometheus::Registry registry;
  std::array<slot, row_count> slots;
  prometheus::Family<prometheus::Counter>* transitions = nullptr;
  std::map<edge_key, prometheus::Counter*> edges; ///< never changed after construction

  impl() {
    for (std::size_t i = 0; i < row_count; ++i) {
      slots[i] = make_slot(rows[i]);
    }
    transitions = &prometheus::BuildCounter()
                       .Name("tayfa_transitions_total")
                       .Help("Lifecycle moves, by edge")
                       .Register(registry);
    add_edges<pod_state>();
    add_edges<stop_state>();
    add_edges<engine_state>();
    add_edges<ingress_state>();
    add_edges<job_state>();
  }

  slot make_slot(const meter_row& row) {
    const std::string name = std::string{"tayfa_"} + row.name;
    slot out;
    switch (row.kind) {
    case meter_kind::counter:
      out.counter = &prometheus::BuildCounter()
                         .Name(name + "_total")
                         .Help(row.help)
                         .Register(registry)
                         .Add({});
      break;
    case meter_kind::gauge:
      out.gauge = &prometheus::BuildGauge().Name(name).Help(row.help).Register(registry).Add({});
      break;
    case meter_kind::histogram:
      out.histogram =
          &prometheus::BuildHistogram().Name(name).Help(row.help).Register(registry).Add({},
                                                                                         buckets);
      break;
    }
    return out;
  }

  prometheus::Counter& series(const edge_key& key) {
    const auto& [machine, from, to, why] = key;
    return transitions->Add({{"machine", std::string{machine}},
                             {"from", std::string{from}},
                             {"to", std::string{to}},
                             {"cause", std::string{why}}});
  }

  template <class State>
  void add_edges() {
    for (const auto& e : machine_traits<State>::edges) {
      const edge_key key{machine_traits<State>::name, to_string(e.from), to_string(e.to),
                         to_string(e.why)};
      edges.emplace(key, &series(key));
    }
  }

  const slot& at(meter m) const { return slots.at(static_cast<std::size_t>(m)); }
};

metrics::metrics() : impl_(std::make_unique<impl>()) {}
metrics::~metrics() = default;

void metrics::add(meter m, double n) {
  if (auto* counter = impl_->at(m).counter; counter != nullptr && std::isfinite(n) && n >= 0) {
    counter->Increment(n);
  }
}

void metrics::set(meter m, double value) {
  if (auto* gauge = impl_->at(m).gauge; gauge != nullptr && std::isfinite(value)) {
    gauge->Set(value);
  }
}

void metrics::observe(meter m, double seconds) {
  auto* histogram = impl_->at(m).histogram;
  if (histogram != nullptr && std::isfinite(seconds) && seconds >= 0) {
    histogram->Observe(seconds);
  }
}

double metrics::value(meter m) const {
  const slot& s = impl_->at(m);
  if (s.counter != nullptr) {
    return s.counter->Value();
  }
  if (s.gauge != nullptr) {
    return s.gauge->Value();
  }
  return static_cast<double>(s.histogram->Collect().histogram.sample_count);
}

std::string metrics::render() const {
  return prometheus::TextSerializer{}.Serialize(impl_->registry.Collect());
}

void metrics::count_transition(std::string_view machine, std::string_view from, std::string_view to,
                               std::string_view why) {
  const edge_key key{machine, from, to, why};
  const auto known = impl_->edges.find(key);
  // An edge outside the table is a bug; its series then stands out in /metrics.
  (known != impl_->edges.end() ? *known->second : impl_->series(key)).Increment();
}

} // namespace tayfa
