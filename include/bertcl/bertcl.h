/* All of the library. */
#ifndef BERTCL_BERTCL_H
#define BERTCL_BERTCL_H

#include <bertcl/data.h>
#include <bertcl/report.h>
#include <bertcl/hub.h>
#include <bertcl/session.h>
#include <bertcl/status.h>
#include <bertcl/tagger.h>
#include <bertcl/tokenizer.h>
#include <bertcl/train.h>

#endif
