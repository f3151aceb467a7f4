#include "runtime/http/page_stream.hpp"

#include <utility>

namespace tayfa {

void page_inlet::put(std::string page, byte_budget::place place, bool last) {
  std::function<void()> wake;
  {
    const std::lock_guard lock{mutex_};
    if (last_) {
      return;
    }
    page_.erase(0, std::exchange(left_, 0));
    page_ = page_.empty() ? std::move(page) : page_ + page;
    place_ = std::move(place);
    last_ = last;
    asked_ = false;
    wake = wake_;
  }
  if (wake) {
    wake();
  }
}

page_stream::page_stream(std::shared_ptr<page_inlet> pages, callbacks say, std::string broken)
    : pages_(std::move(pages)), say_(std::move(say)), broken_(std::move(broken)) {}

page_stream::~page_stream() {
  {
    const std::lock_guard lock{pages_->mutex_};
    pages_->wake_ = nullptr;
    pages_->last_ = true; // no reader is left
    pages_->page_ = {};
    pages_->place_.reset();
  }
  say_.left();
}

void page_stream::on_more(std::function<void()> wake) {
  const std::lock_guard lock{pages_->mutex_};
  pages_->wake_ = std::move(wake);
}

api::body_source::piece page_stream::next(std::size_t room) {
  piece found;
  {
    const std::lock_guard lock{pages_->mutex_};
    auto& at = *pages_;
    found.text = at.page_.substr(at.left_, room);
    at.left_ += found.text.size();
    if (at.left_ < at.page_.size()) {
      return found;
    }
    at.page_ = {};
    at.left_ = 0;
    at.place_.reset();
    found.ended = at.last_;
    if (!found.text.empty() || at.last_ || std::exchange(at.asked_, true)) {
      return found; // the piece returned now must be sent before more is wanted
    }
  }
  say_.wants();
  return found;
}

std::string page_stream::cut_short() {
  const std::lock_guard lock{pages_->mutex_};
  std::string rest = pages_->page_.substr(pages_->left_);
  pages_->page_ = {};
  pages_->left_ = 0;
  return pages_->last_ ? rest : rest + broken_;
}

} // namespace tayfa
