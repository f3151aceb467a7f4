#include "runtime/api/object_writer.hpp"

#include "runtime/api/body_writer.hpp"

namespace tayfa::api {

std::string object_writer::done() {
  out_ += '}';
  if (holes_.empty()) {
    return std::move(out_);
  }
  std::string all;
  std::size_t from = 0;
  for (const auto& [place, text] : holes_) {
    all.append(out_, from, place - from).append(text.view());
    from = place;
  }
  return all.append(out_, from);
}

void object_writer::write_to(body_writer& to) {
  out_ += '}';
  const std::string_view text{out_};
  std::size_t from = 0;
  for (const auto& [place, hole] : holes_) {
    to.text(text.substr(from, place - from)).shared(hole);
    from = place;
  }
  to.text(text.substr(from));
}

} // namespace tayfa::api
