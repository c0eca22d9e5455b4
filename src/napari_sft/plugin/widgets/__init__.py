"""Views: widgets that emit signals and have setters.

They know neither the viewer nor the codec. Setters never emit; signals tell
what the user did. `main_widget.MainWidget` holds them all.
"""
