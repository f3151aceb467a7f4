// The parts of a process that links to others: a head's listener, or a pod's connector, with the
// files of each in the folder `link` of the data folder.
#pragma once

#include "actors/head_link.hpp"
#include "actors/pod_gateway.hpp"
#include "cluster/program/serve_plan.hpp"
#include "cluster/program/stop_button.hpp"
#include "runtime/pods_net/result_thread.hpp"
#include "runtime/pods_net/trust_file.hpp"
#include "runtime/pods_net/zmq_connector.hpp"
#include "runtime/pods_net/zmq_listener.hpp"

#include <memory>
#include <optional>
#include <string>

namespace tayfa {

/// Neither head nor pod: all of it is empty. Outlives the actor system.
struct link_parts {
  std::optional<head_terms> head;
  std::optional<link_terms> link;
  std::unique_ptr<pods::zmq_listener> listener;
  std::unique_ptr<pods::trust_file> trust;
  std::unique_ptr<pods::zmq_connector> connector;
  store::local_files files;
  std::unique_ptr<pods::result_thread> results;

  void add_to(world&);
};

/// The folder of the link's files.
std::string link_folder(const std::string& data_folder);

/// As the plan says. A pod that has not joined yet joins here, which may take a while; the button
/// ends it (errc::stopping). errc::bad_config, bad_usage, unauthorized, unavailable, io_error,
/// unfit.
result<std::unique_ptr<link_parts>> make_link_parts(const serve_plan&, const time_source&,
                                                    event_log&, secret_source&, stop_button&);

} // namespace tayfa
