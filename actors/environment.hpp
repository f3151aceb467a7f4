// The interfaces through which actors reach the outside: every effect goes through one of them,
// each with a real and a simulated side. Nothing else in messages/, runtime/core, runtime/api and
// actors/ may read a clock, draw a random number, touch a disk or a socket, or start a process;
// that is what lets the whole pod run on one thread from one seed.
//
// A `world` is a bundle of references: it owns nothing but the budget of answers, is filled once by
// the composition root (cluster/program for production, actors/sim for simulation) and outlives
// every actor.
#pragma once

#include "messages/job.hpp"
#include "runtime/base/byte_budget.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/random.hpp"
#include "runtime/base/secrets.hpp"
#include "runtime/host/engine_host.hpp"
#include "runtime/http/gateway.hpp"
#include "runtime/http_client/poster.hpp"
#include "runtime/machine/probe.hpp"
#include "runtime/model/source.hpp"
#include "runtime/pods/result_port.hpp"
#include "runtime/pods/transport.hpp"
#include "runtime/pods/trust_port.hpp"
#include "runtime/store/store.hpp"
#include "runtime/telemetry/feed.hpp"
#include "runtime/telemetry/log.hpp"
#include "runtime/telemetry/metrics.hpp"

namespace tayfa {

struct world {
  time_source& time;
  random_source& random;  ///< jitter; its numbers can be foretold
  secret_source& secrets; ///< ids
  event_log& log;
  metrics& meters;
  engine_host& engines;
  http_gateway& http;
  machine_probe& probe;
  model_source& models;
  job_store& store;
  http_poster& post;
  event_feed& feed;
  http_poster& platform; ///< calls to RunPod's platform; apart from webhooks, so that neither waits
  /// Budget of answers and webhook bodies being sent, shared with the HTTP server.
  byte_budget answers{std::size_t{256} << 20};
  pods::pod_listener* listener = nullptr; ///< of a head, and so is `trust`; null elsewhere
  pods::trust_port* trust = nullptr;
  pods::head_connector* connector = nullptr; ///< of a pod that has a head, and so is `results`
  pods::result_port* results = nullptr;
};

} // namespace tayfa
