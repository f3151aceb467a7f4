// Messages between the queue and the runpod_worker about jobs that were taken from RunPod's
// platform, and from the supervisor to both when the pod stops. Plain values.
#pragma once

#include "messages/job.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

/// Such a job reported progress, or a chunk of its stream.
struct origin_progress {
  job_id id;
  std::string origin;
  bool is_chunk = false;
  shared_text payload; ///< JSON text
};
/// Deliver the result of a platform's job that has ended (and is committed). The receiver always
/// answers with result_posted; the delivery stays pending until one says delivered or given_up.
struct deliver_result {
  job_view view;
  std::string origin;
  std::vector<chunk> chunks{}; ///< of its stream, as far as they are still here
  bool whole = true;           ///< false: the oldest chunks may have been left out
  bool refresh = false;        ///< the job asked for a fresh worker
  std::uint32_t number = 0;    ///< of the try, from 1
  milliseconds left{0}; ///< of the job's time to live; after it the platform drops the result
};
enum class delivery : std::uint8_t {
  delivered, ///< the platform has it
  again,     ///< it has not; try again after a pause
  given_up,  ///< it refuses it for good
};
struct result_posted {
  job_id id;
  delivery how = delivery::delivered;
  milliseconds pause{0}; ///< with `again`: the platform asked for it
  std::string text;      ///< for the log
};
struct origin_jobs {
  std::vector<std::pair<job_id, std::string>> live; ///< with the platform's own id
};
/// The jobs of the platform that have not ended; a runpod_worker asks when it starts.
struct ask_origin_jobs {
  using answer = origin_jobs;
};
/// The pod stops: take nothing more from the platform. origin_drained follows when all that
/// was taken is in the queue; load_changed::undelivered then says when everything is delivered.
struct drain_origin {};
struct origin_drained {};

} // namespace tayfa
