#include "store/reply.h"
#include "scan/text.h"

/* Shorter forms save nothing; longer replies are texts that somebody wrote. */
#define FORM_MIN 10
#define REPLY_MAX 512

/* The shortest word that may be an ID ("5.7.1" is none), and name of a recipient. */
#define ID_MIN 6
#define RECIPIENT_MIN 3

/* Of letters and digits; "5.7.26" is no ID, however long. */
static gboolean
is_id(MtSpan word)
{
  gboolean digit = FALSE, other = FALSE;

  for (gsize i = 0; i < word.len; i++)
    {
      gboolean is_digit = g_ascii_isdigit(word.at[i]);

      digit |= is_digit;
      other |= !is_digit && word.at[i] != '.';
    }
  return digit && word.len >= ID_MIN && (other || word.len > 7);
}

/* From the first word that looks like an ID to the last one. */
static MtSpan
guess_part(MtSpan reply)
{
  const gchar *end = reply.at + reply.len, *first = NULL, *last = NULL;

  for (const gchar *at = reply.at, *space; at < end; at = space + 1)
    {
      space = memchr(at, ' ', end - at);
      space = space ? space : end;
      if (!is_id(mt_span(at, space - at)))
        continue;
      first = first ? first : at;
      last = space;
    }
  return first ? mt_span(first, last - first) : MT_NO_SPAN;
}

static void
append_form(GString *form, MtSpan text, MtSpan recipient)
{
  const gchar *at = recipient.len >= RECIPIENT_MIN ? mt_span_find(text, recipient) : NULL;

  if (!at)
    {
      g_string_append_len(form, text.at, text.len);
      return;
    }
  g_string_append_len(form, text.at, at - text.at);
  g_string_append_c(form, MT_REPLY_RECIPIENT);
  at += recipient.len;
  g_string_append_len(form, at, text.at + text.len - at);
}

static gboolean
may_split(MtSpan reply)
{
  return reply.len >= FORM_MIN && reply.len <= REPLY_MAX
         && !memchr(reply.at, MT_REPLY_PART, reply.len)
         && !memchr(reply.at, MT_REPLY_RECIPIENT, reply.len) && mt_text_is_clean(reply);
}

gboolean
mt_reply_split(MtSpan reply, MtSpan recipient, MtSpan id, GString *form, MtSpan *part)
{
  const gchar *end = reply.at + reply.len, *at;

  if (!may_split(reply))
    return FALSE;
  /* A part that ends within a character would not come back. */
  recipient = mt_text_is_clean(recipient) ? recipient : MT_NO_SPAN;
  id = mt_text_is_clean(id) ? id : MT_NO_SPAN;
  at = mt_span_find_last(reply, id);
  *part = at ? mt_span(at, id.len) : guess_part(reply);
  g_string_truncate(form, 0);
  if (!part->at)
    append_form(form, reply, recipient);
  else
    {
      append_form(form, mt_span(reply.at, part->at - reply.at), recipient);
      g_string_append_c(form, MT_REPLY_PART);
      at = part->at + part->len;
      append_form(form, mt_span(at, end - at), recipient);
    }
  /* Other addresses are the reply's own: who is forgotten must not stand in a form. */
  return form->len >= FORM_MIN && !memchr(form->str, '@', form->len);
}
