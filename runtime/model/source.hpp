// Interface to model files: reading and hashing gigabytes must not run on an actor's thread.
#pragma once

#include "messages/error.hpp"
#include "runtime/model/catalogue.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tayfa {

class model_source {
 public:
  virtual ~model_source() = default;
  /// Checks every file (inspect_model) and calls back once, from any thread, with the catalogue in
  /// the order given, or the first error.
  virtual void inspect(std::vector<std::string> paths,
                       std::function<void(result<std::vector<model_entry>>)> done) = 0;
};

} // namespace tayfa
