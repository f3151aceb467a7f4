// Plugins that cannot be used. Each library of this source has its own faults, by definitions:
// FAULTY_ENGINE exports a maker that makes nothing, FAULTY_VERSION the version it claims.
#ifdef FAULTY_ENGINE
extern "C" void* tayfa_make_engine(void*, const void*) {
  return nullptr;
}
#endif

#ifdef FAULTY_VERSION
extern "C" unsigned tayfa_plugin_version() {
  return FAULTY_VERSION;
}
#endif

extern "C" int an_entry_point_of_something_else() {
  return 0;
}
