"""Routes."""

from django.urls import path

from lumi.accounts.api import views

urlpatterns = [
    path("auth/send-code", views.SendCodeView.as_view(), name="send-code"),
    path("auth/register", views.RegisterView.as_view(), name="register"),
    path("auth/login", views.LoginView.as_view(), name="login"),
    path("auth/refresh", views.RefreshView.as_view(), name="refresh"),
    path("auth/logout", views.LogoutView.as_view(), name="logout"),
    path("auth/me", views.MeView.as_view(), name="me"),
]
