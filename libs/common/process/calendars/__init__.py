"""Calendars compiled outside of any fold: sessions by hand or by a library, days by the machine's time zones."""
