// The parts of the outside that `tayfa serve` is made of, each as the configuration wants it.
#pragma once

#include "cluster/program/serve_plan.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/host/shares.hpp"
#include "runtime/http/curl_poster.hpp"
#include "runtime/http/server.hpp"
#include "runtime/store/store.hpp"
#include "runtime/telemetry/metrics.hpp"

#include <memory>
#include <string>

namespace tayfa {

/// What this pod wants of so many descriptors.
descriptor_needs needs_from(const serve_plan&, std::uint64_t files);
/// The clock is the pod's: clients and calls are timed by it. It outlives what is made here.
http_options http_from(const config&, const descriptor_shares&, api::gate*, metrics&, event_log&,
                       const time_source&);
/// Webhooks: guarded, a few to each receiver, so many at the same time.
poster_options poster_from(const config&, std::size_t calls, const time_source&);
/// RunPod's platform: one host that is asked for everything, with two long questions open.
poster_options platform_poster_from(const serve_plan&, const time_source&);
std::unique_ptr<job_store> make_store(const config&, const time_source&);

/// A folder in the system's place for temporary files, gone with its owner. Empty path: it could
/// not be made.
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

/// A whole file of `most` bytes at most; nothing when there is none. errc::bad_input: it cannot be
/// read, or is larger.
result<std::optional<std::string>> read_file_if_there(const std::string& path, std::size_t most);

} // namespace tayfa
