// The parts that `tayfa serve` is composed of, each made from the configuration.
#pragma once

#include "cluster/program/serve_plan.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/random.hpp"
#include "runtime/base/secrets.hpp"
#include "runtime/http/server.hpp"
#include "runtime/http_client/curl_poster.hpp"
#include "runtime/machine/shares.hpp"
#include "runtime/store/store.hpp"
#include "runtime/telemetry/metrics.hpp"

#include <memory>
#include <string>

namespace tayfa {

/// This pod's descriptor needs, given that it may have `files`.
descriptor_needs needs_from(const serve_plan&, std::uint64_t files);
/// `time` is the pod's clock: it times clients and calls, and outlives the result.
http_options http_from(const config&, const descriptor_shares&, api::gate*, metrics&, event_log&,
                       const time_source&);
/// For webhooks: guarded, at most `calls` at a time and a few to each receiver.
poster_options poster_from(const config&, std::size_t calls, const time_source&);
/// For RunPod's platform: mostly one host, with two long polls open.
poster_options platform_poster_from(const serve_plan&, const time_source&);
std::unique_ptr<job_store> make_store(const config&, const time_source&, random_source&,
                                      secret_source&);

/// A temporary folder, deleted with its owner. Empty path: it could not be made.
class scratch_folder {
 public:
  scratch_folder();
  ~scratch_folder();
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A whole file of at most `most` bytes; empty when it does not exist. errc::bad_input: it cannot
/// be read, or is larger.
result<std::optional<std::string>> read_file_if_there(const std::string& path, std::size_t most);

} // namespace tayfa
