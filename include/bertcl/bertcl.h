/* All of the library. */
#ifndef BERTCL_BERTCL_H
#define BERTCL_BERTCL_H

#include <bertcl/bench.h>
#include <bertcl/data.h>
#include <bertcl/evaluate.h>
#include <bertcl/hub.h>
#include <bertcl/report.h>
#include <bertcl/scoring.h>
#include <bertcl/session.h>
#include <bertcl/status.h>
#include <bertcl/tagger.h>
#include <bertcl/tokenizer.h>
#include <bertcl/train.h>
#include <bertcl/track.h>
#include <bertcl/version.h>

#endif
