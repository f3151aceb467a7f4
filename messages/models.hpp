// The models of the catalogue: what the model_loader, the workers and the queue say to each other
// about them. Plain values that never leave the process.
#pragma once

#include "messages/error.hpp"
#include "messages/ids.hpp"
#include "messages/worker.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tayfa {

struct model_granted; ///< actors/model_loader.hpp: what a worker shall load

struct want_model {
  using answer = model_granted;
  worker_ref worker;
  std::string model{};  ///< of the catalogue; empty or unknown = the default of its engines
  std::string engine{}; ///< name of its kind
};
struct model_loaded {
  worker_ref worker;
  std::string model;
  std::uint32_t load_ms = 0;
};
struct check_catalogue {};
struct catalogue_checked {
  result<std::size_t> models; ///< how many
};
/// An engine could not load it. From its worker to the loader, which looks at the file again, and
/// from there to the queue, unless another file has taken its place.
struct model_refused {
  worker_ref worker;
  std::string model;
  error why;
};
/// To the queue: what can be asked for.
struct models_known {
  std::vector<model_facts> models;
};

} // namespace tayfa
