// JSON as focusloop speaks it. Unity's JsonUtility turns null into 0: a score that is not valid would look like one.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Focusloop
{
    /// <summary>Reads and writes JSON: objects as dictionaries, null as null.</summary>
    public static class Json
    {
        const int MaxDepth = 32;

        public static Dictionary<string, object> ParseObject(string text)
        {
            int at = 0;
            object value = Value(text, ref at, 0);
            Space(text, ref at);
            if (at != text.Length || !(value is Dictionary<string, object>)) throw new FormatException("expected one JSON object");
            return (Dictionary<string, object>)value;
        }

        public static string Write(object value)
        {
            var text = new StringBuilder();
            Put(text, value);
            return text.ToString();
        }

        static void Put(StringBuilder text, object value)
        {
            if (value == null) text.Append("null");
            else if (value is string) Quote(text, (string)value);
            else if (value is bool) text.Append((bool)value ? "true" : "false");
            else if (value is IDictionary<string, object>)
            {
                string comma = "";
                text.Append('{');
                foreach (var pair in (IDictionary<string, object>)value)
                {
                    text.Append(comma);
                    Quote(text, pair.Key);
                    text.Append(':');
                    Put(text, pair.Value);
                    comma = ",";
                }
                text.Append('}');
            }
            else if (value is System.Collections.IEnumerable)
            {
                string comma = "";
                text.Append('[');
                foreach (object item in (System.Collections.IEnumerable)value)
                {
                    text.Append(comma);
                    Put(text, item);
                    comma = ",";
                }
                text.Append(']');
            }
            else
            {
                double number = Convert.ToDouble(value, CultureInfo.InvariantCulture);
                if (double.IsNaN(number) || double.IsInfinity(number)) text.Append("null");
                else text.Append(Convert.ToString(value is float ? number : value, CultureInfo.InvariantCulture));
            }
        }

        static void Quote(StringBuilder text, string value)
        {
            text.Append('"');
            foreach (char c in value)
            {
                if (c == '"' || c == '\\') text.Append('\\').Append(c);
                else if (c < ' ') text.Append("\\u").Append(((int)c).ToString("x4"));
                else text.Append(c);
            }
            text.Append('"');
        }

        static object Value(string text, ref int at, int depth)
        {
            if (depth > MaxDepth) throw new FormatException("nested too deep");
            Space(text, ref at);
            if (at >= text.Length) throw new FormatException("unexpected end");
            switch (text[at])
            {
                case '{':
                {
                    var found = new Dictionary<string, object>();
                    at++;
                    Space(text, ref at);
                    if (Take(text, ref at, '}')) return found;
                    do
                    {
                        Space(text, ref at);
                        string key = String(text, ref at);
                        Space(text, ref at);
                        if (!Take(text, ref at, ':')) throw new FormatException("expected ':'");
                        found[key] = Value(text, ref at, depth + 1);
                        Space(text, ref at);
                    } while (Take(text, ref at, ','));
                    if (!Take(text, ref at, '}')) throw new FormatException("expected '}'");
                    return found;
                }
                case '[':
                {
                    var found = new List<object>();
                    at++;
                    Space(text, ref at);
                    if (Take(text, ref at, ']')) return found;
                    do
                    {
                        found.Add(Value(text, ref at, depth + 1));
                        Space(text, ref at);
                    } while (Take(text, ref at, ','));
                    if (!Take(text, ref at, ']')) throw new FormatException("expected ']'");
                    return found;
                }
                case '"': return String(text, ref at);
                case 't': Word(text, ref at, "true"); return true;
                case 'f': Word(text, ref at, "false"); return false;
                case 'n': Word(text, ref at, "null"); return null;
                default:
                {
                    int start = at;
                    while (at < text.Length && "+-.0123456789eE".IndexOf(text[at]) >= 0) at++;
                    return double.Parse(text.Substring(start, at - start), NumberStyles.Float, CultureInfo.InvariantCulture);
                }
            }
        }

        static string String(string text, ref int at)
        {
            if (!Take(text, ref at, '"')) throw new FormatException("expected a string");
            var found = new StringBuilder();
            while (at < text.Length && text[at] != '"')
            {
                char c = text[at++];
                if (c != '\\') { found.Append(c); continue; }
                if (at >= text.Length) break;
                char escaped = text[at++];
                switch (escaped)
                {
                    case 'n': found.Append('\n'); break;
                    case 't': found.Append('\t'); break;
                    case 'r': found.Append('\r'); break;
                    case 'b': found.Append('\b'); break;
                    case 'f': found.Append('\f'); break;
                    case 'u':
                        if (at + 4 > text.Length) throw new FormatException("unexpected end");
                        found.Append((char)int.Parse(text.Substring(at, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                        at += 4;
                        break;
                    default: found.Append(escaped); break;
                }
            }
            if (!Take(text, ref at, '"')) throw new FormatException("a string without end");
            return found.ToString();
        }

        static void Word(string text, ref int at, string word)
        {
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) throw new FormatException("expected " + word);
            at += word.Length;
        }

        static bool Take(string text, ref int at, char c)
        {
            if (at >= text.Length || text[at] != c) return false;
            at++;
            return true;
        }

        static void Space(string text, ref int at)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        }
    }
}
